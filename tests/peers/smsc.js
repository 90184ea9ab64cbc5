// An SMSC made of npm's `smpp`, a codec that is not ours. `node smsc.js PORT`, run where `smpp` is installed.
// Prints one JSON object a line for all that happens; takes one a line for what it shall do.
"use strict";

const readline = require("readline");
const smpp = require(require.resolve("smpp", { paths: [process.cwd()] }));

const tell = (what, facts) => process.stdout.write(JSON.stringify({ what, ...facts }) + "\n");
const sessions = new Set();
let refuse = [];
let serial = 0x1000;

const receipt = (pdu, id, stat) => ({
  source_addr: pdu.destination_addr,
  destination_addr: pdu.source_addr,
  esm_class: 4,
  short_message:
    `id:${id} sub:001 dlvrd:001 submit date:2611221200 done date:2611221201 stat:${stat} err:000 text:`,
  receipted_message_id: id,
  message_state: stat === "DELIVRD" ? 2 : 5,
});

const server = smpp.createServer({}, (session) => {
  session.on("error", () => {});
  session.on("close", () => sessions.delete(session));
  for (const kind of ["bind_transceiver", "bind_transmitter", "bind_receiver"]) {
    session.on(kind, (pdu) => {
      const known = pdu.system_id === "zhangban" && pdu.password === "secret";
      tell(kind, { system_id: pdu.system_id, version: pdu.interface_version, known });
      session.send(pdu.response({ command_status: known ? 0 : smpp.ESME_RINVPASWD, system_id: "NODE" }));
      if (known && kind !== "bind_transmitter") sessions.add(session);
    });
  }
  session.on("submit_sm", (pdu) => {
    const udh = pdu.short_message.udh;
    const said = pdu.short_message.message;
    tell("submit_sm", {
      from: pdu.source_addr,
      to: pdu.destination_addr,
      coding: pdu.data_coding,
      wants_receipt: pdu.registered_delivery,
      validity: pdu.validity_period ? String(pdu.validity_period) : "",
      udh: udh ? Buffer.concat(udh.length && Buffer.isBuffer(udh[0]) ? udh : [Buffer.from(udh)]).toString("hex") : "",
      text: Buffer.isBuffer(said) ? said.toString("hex") : said,
    });
    const status = refuse.shift() || 0;
    const id = (serial++).toString(16).toUpperCase();
    session.send(pdu.response(status ? { command_status: status } : { message_id: id }));
    if (!status && pdu.registered_delivery) {
      const [to] = sessions;
      to.deliver_sm(receipt(pdu, id, pdu.destination_addr.endsWith("9") ? "UNDELIV" : "DELIVRD"), (answer) =>
        tell("receipt answered", { status: answer.command_status }));
    }
  });
  session.on("enquire_link", (pdu) => {
    tell("enquire_link", {});
    session.send(pdu.response());
  });
  session.on("unbind", (pdu) => {
    tell("unbind", {});
    session.send(pdu.response());
    session.close();
  });
});

const orders = {
  refuse: ({ statuses }) => { refuse = statuses; },
  text: ({ from, to, parts, coding }) => {
    for (const part of parts) {
      const [session] = sessions;
      session.deliver_sm(
        { source_addr: from, destination_addr: to, data_coding: coding, esm_class: part.udh ? 0x40 : 0,
          short_message: part.udh ? { udh: Buffer.from(part.udh, "hex"), message: part.text } : part.text },
        (answer) => tell("text answered", { status: answer.command_status }));
    }
  },
  enquire: () => { for (const session of sessions) session.enquire_link({}, () => tell("enquiry answered", {})); },
  unbind: () => { for (const session of sessions) session.unbind({}, () => { tell("unbind answered", {}); session.close(); }); },
  destroy: () => { for (const session of sessions) session.socket.destroy(); },
};
readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const order = JSON.parse(line);
  orders[order.do](order);
}).on("close", () => process.exit(0));

server.listen(Number(process.argv[2]), "127.0.0.1", () => tell("listening", { port: server.address().port }));

const STATES = { valid: "印章有效", invalid: "印章无效：内容与盖章时不一致", revoked: "盖章有效，印章证书已于事后吊销" };
document.getElementById("file").addEventListener("change", async (event) => {
  const told = document.getElementById("told");
  told.textContent = "正在核验……";
  try {
    const answer = await fetch("/verify", { method: "POST", body: event.target.files[0] });
    const found = await answer.json();
    told.textContent = answer.ok
      ? `该文件是本机关出具的文书：${found.title} ${found.number}，${found.unit}，${found.issued_on}。${STATES[found.seal]}。`
      : answer.status === 404 ? "未找到：该文件不是本机关出具的文书，或者已被改动。" : "核验未能完成，请稍后再试。";
  } catch {
    told.textContent = "核验未能完成，请稍后再试。";
  }
});

"""The doors of a whole system, as its settings order them."""

import httpx
from pydantic import SecretStr

from server.carrier_settings import MasCarrier, SmsSettings
from server.doors import open_doors
from server.processes import Stop
from server.settings import DatabaseSettings, HttpSettings, Settings
from server.wiring import open_system
from tests.sms.carrier_desk import ACCESS_NUMBER, put, until
from tests.sms.mas_desk import ACCOUNT, PUSH_SECRET, cloud_mas

PHONE = "13800138000"


async def test_a_mas_among_the_carriers_sends_texts_and_pushes_to_the_offices_own_door(installed_url, clock, tmp_path):
    async with cloud_mas(clock) as cloud:
        settings = Settings(
            data_dir=tmp_path,
            database=DatabaseSettings(url=installed_url),
            http=HttpSettings(port=0),
            sms=SmsSettings(carriers=(chosen(cloud.url),)),
        )
        async with open_system(settings, clock=clock) as system, open_doors(system, stop=Stop()) as doors:
            office = f"http://127.0.0.1:{doors.http_port}"
            cloud.push_to = f"{office}/mas/cloud/{PUSH_SECRET}"
            await put(system.database, clock, "【衡江政务服务】您的申请已受理。", phone=PHONE)
            await until(system.database, delivered=1)
            await cloud.handset(PHONE).send(ACCESS_NUMBER, "你好")
            await until(system.database, delivered=2)
            assert "未识别的指令" in cloud.handset(PHONE).inbox[-1].text
            async with httpx.AsyncClient() as stranger:
                for path in ("/mas/cloud/wrong/report", f"/mas/other/{PUSH_SECRET}/report"):
                    assert (await stranger.post(office + path, json={})).status_code == 404


def chosen(url: str) -> MasCarrier:
    return MasCarrier(
        kind="mas",
        name="cloud",
        url=url,
        ec_name=ACCOUNT.ec_name,
        ap_id=ACCOUNT.ap_id,
        secret_key=SecretStr(ACCOUNT.secret_key),
        sign=ACCOUNT.sign,
        push_path=SecretStr(PUSH_SECRET),
        allowed_addresses=("127.0.0.1",),
    )

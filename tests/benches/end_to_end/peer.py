"""The smallest targets on the hosted platform's own SDK: `peer.py record` posts one record a call,
`peer.py batch` a hundred. The rest of the command line is the SDK's."""

import sys

from hotglue_singer_sdk.target_sdk.client import HotglueBatchSink, HotglueSink
from hotglue_singer_sdk.target_sdk.target import TargetHotglue
from hotglue_singer_sdk import typing as th


class Base:
    unified_schema = None
    endpoint = "/one"

    @property
    def name(self):
        return self.stream_name

    @property
    def base_url(self):
        return self.config["base_url"]


class RecordSink(Base, HotglueSink):
    allows_externalid = ["bulk"]  # streams whose records keep it

    def preprocess_record(self, record, context):
        record["ext_id"] = record.get("externalId")
        return record


class BatchSink(Base, HotglueBatchSink):
    endpoint = "/bulk"
    max_size = 100

    def process_batch_record(self, record, index):
        record["ext_id"] = record.pop("externalId")
        return record

    def make_batch_request(self, records):
        return self.request_api("POST", request_data={"inputs": records})

    def handle_batch_response(self, response):
        rows = response.json()["results"]
        states = [{"success": True, "id": row["id"], "externalId": row["ext_id"]} for row in rows]
        return {"state_updates": states}


class Target(TargetHotglue):
    name = "target-peer"
    SINK_TYPES = []
    config_jsonschema = th.PropertiesList(th.Property("base_url", th.StringType)).to_dict()

    def get_sink_class(self, stream_name):
        return SINK


if __name__ == "__main__":
    SINK = {"record": RecordSink, "batch": BatchSink}[sys.argv.pop(1)]
    Target.cli()

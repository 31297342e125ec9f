"""What readers that others wrote make of the service's events: messages to webhooks, verified with the
library of the Standard Webhooks specification and with Python's own hmac, and metrics, parsed as
Prometheus does. On stdin `{"secret", "messages": [{"headers", "body"}], "metrics"}`; on stdout the
events that were verified, how many changed ones were refused, and the kinds of the metrics.
"""

import hashlib
import hmac
import json
import sys

from prometheus_client.parser import text_string_to_metric_families
from standardwebhooks import Webhook, WebhookVerificationError

given = json.load(sys.stdin)
webhook = Webhook(given["secret"])
verified, refused = [], 0
for message in given["messages"]:
    headers, body = message["headers"], message["body"]
    verified.append(webhook.verify(body, headers)["status"])
    key = given["secret"].encode()
    expected = "sha1=" + hmac.new(key, body.encode(), hashlib.sha1).hexdigest()
    assert hmac.compare_digest(headers["x-hub-signature"], expected)
    try:
        webhook.verify(body + " ", headers)
    except WebhookVerificationError:
        refused += 1

kinds = {}
for family in text_string_to_metric_families(given["metrics"]):
    assert family.documentation, family.name
    assert family.samples, family.name
    kinds[family.name] = family.type
print(json.dumps({"verified": verified, "refused": refused, "kinds": kinds}))

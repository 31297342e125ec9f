"""The `Authorization` of one call to NetSuite, for a nonce and a time that are given: signed by oauthlib,
and on a second line by the client `netsuite`. Another signer has to come to the same.

The client signs a hash of the body too, where there is one, which NetSuite does not ask for: it is given
none.

    netsuite_signature.py METHOD URL NONCE TIMESTAMP
"""

import sys

from authlib.oauth1.rfc5849 import client_auth
from netsuite import Config, NetSuiteRestApi, TokenAuth
from oauthlib.oauth1 import SIGNATURE_HMAC_SHA256, Client

method, url, nonce, timestamp = sys.argv[1:]
client = Client(
    "sandbox-consumer-key",
    client_secret="sandbox-consumer-secret",
    resource_owner_key="sandbox-token-key",
    resource_owner_secret="sandbox-token-secret",
    signature_method=SIGNATURE_HMAC_SHA256,
    realm="1234567_SB1",
    nonce=nonce,
    timestamp=timestamp,
)
_, headers, _ = client.sign(url, http_method=method)
print(headers["Authorization"])

client_auth.generate_nonce = lambda: nonce
client_auth.generate_timestamp = lambda: timestamp
tokens = TokenAuth(
    consumer_key="sandbox-consumer-key",
    consumer_secret="sandbox-consumer-secret",
    token_id="sandbox-token-key",
    token_secret="sandbox-token-secret",
)
api = NetSuiteRestApi(Config(account="1234567_SB1", auth=tokens))
_, headers, _ = api._make_auth().sign(method, url, {}, b"")
print(headers["Authorization"])

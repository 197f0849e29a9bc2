"""Creates an api with the official Python client over REST, and deletes it again.

    python apis.py HOST:PORT PARENT ID

Waits for both operations as a user does, and prints what it learned as one JSON object. It runs in a
venv of its own and imports nothing of the tests.
"""

import json
import sys

from google.api_core.exceptions import Conflict, NotFound
from google.auth.credentials import AnonymousCredentials
from google.cloud import apigateway_v1
from google.cloud.apigateway_v1.services.api_gateway_service.transports.rest import (
    ApiGatewayServiceRestTransport,
)

SECONDS = 20


def main() -> None:
    host, parent, id = sys.argv[1:]
    transport = ApiGatewayServiceRestTransport(
        host=host, url_scheme="http", credentials=AnonymousCredentials()
    )
    client = apigateway_v1.ApiGatewayServiceClient(transport=transport)
    api = apigateway_v1.Api(labels={"team": "ü"})

    creating = client.create_api(parent=parent, api_id=id, api=api)
    done_at_first = creating.done()
    created = creating.result(timeout=SECONDS)
    try:
        client.create_api(parent=parent, api_id=id, api=api)
        again = "created twice"
    except Conflict as error:
        # Over REST it knows the HTTP status alone, which is that of ABORTED too.
        again = error.reason
    listed = [api.name for api in client.list_apis(parent=parent, retry=None)]

    deleting = client.delete_api(name=created.name)
    deleting.result(timeout=SECONDS)
    try:
        client.get_api(name=created.name)
        gone = False
    except NotFound:
        gone = True
    told = {
        "done_at_first": done_at_first,
        "created": apigateway_v1.Api.to_dict(created, use_integers_for_enums=False),
        "metadata": {"verb": creating.metadata.verb, "target": creating.metadata.target},
        "again": again,
        "listed": listed,
        "deleted": deleting.metadata.verb,
        "gone": gone,
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()

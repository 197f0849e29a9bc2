"""Runs the scenario with curl.

    python curl_client.py http1|h2c QUICK SLOW PROJECT DOCUMENT
"""

import base64
import json
import sys
import time
from urllib.parse import quote

from curl import Response, curl

TIMEOUT_SECONDS = 120
POLL_SECONDS = 0.1
JSON = ("-H", "Content-Type: application/json")


def main() -> None:
    over, quick, slow, project, document = sys.argv[1:]
    play = Play(over, quick, project)
    play.locations()
    play.apis()
    play.configurations(document)
    play.gateways()
    play.operations()
    play.bad_config()
    play.policies()
    play.errors()
    play.deletes()
    Play(over, slow, project).slowly()


def report(step: str, outcome) -> None:
    print(json.dumps({"step": step, "outcome": outcome}), flush=True)


class Play:
    def __init__(self, over: str, endpoint: str, project: str) -> None:
        self.over = over
        self.endpoint = endpoint
        self.project = f"projects/{project}"
        self.home = f"{self.project}/locations/global"
        self.region = f"{self.project}/locations/us-central1"
        self.api = f"{self.home}/apis/shop"
        self.configs = [f"{self.api}/configs/v{n}" for n in (1, 2, 3)]
        self.gateway = f"{self.region}/gateways/front"

    def ask(self, target: str, *options: str) -> Response:
        return curl(f"{self.endpoint}/v1/{target}", *options, over=self.over)

    def get(self, target: str) -> dict:
        return body_of(self.ask(target))

    def post(self, target: str, body: dict) -> dict:
        return body_of(self.ask(target, *JSON, "--data-binary", json.dumps(body)))

    def patch(self, target: str, body: dict) -> dict:
        return body_of(self.ask(target, "-X", "PATCH", *JSON, "--data-binary", json.dumps(body)))

    def delete(self, name: str) -> dict:
        return body_of(self.ask(name, "-X", "DELETE"))

    def refused(self, target: str, *options: str) -> dict:
        return refusal(self.ask(target, *options))

    def ended(self, operation: dict) -> dict:
        """Polls an operation until it is done. Returns the operation."""
        until = time.monotonic() + TIMEOUT_SECONDS
        while not operation.get("done"):
            if time.monotonic() > until:
                raise AssertionError(f"the operation did not end: {operation}")
            time.sleep(POLL_SECONDS)
            operation = self.get(operation["name"])
        return operation

    def result(self, operation: dict) -> dict:
        return resource(self.ended(operation)["response"])

    def pages(self, target: str, key: str, size: int) -> list[list[dict]]:
        pages, token = [], ""
        while not pages or token:
            page = self.get(f"{target}?pageSize={size}&pageToken={quote(token, safe='')}")
            pages.append(page.get(key, []))
            token = page.get("nextPageToken", "")
        return pages

    def names(self, target: str, key: str) -> list[str]:
        return [item["name"] for page in self.pages(target, key, 2) for item in page]

    def locations(self) -> None:
        listed = self.get(f"{self.project}/locations")["locations"]
        report("list_locations", [location["locationId"] for location in listed])
        found = self.get(self.region)
        report("get_location", {"name": found["name"], "id": found["locationId"]})

    def apis(self) -> None:
        target, body = f"{self.home}/apis?apiId=shop", {"labels": {"team": "blue"}}
        creating = self.post(target, body)
        self.creating_api = creating["name"]
        report("create_api", self.result(creating))
        report("get_api", resource(self.get(self.api)))
        report("create_api_again", self.refused(target, *JSON, "-d", json.dumps(body)))
        renamed = {"displayName": "Große Läden", "labels": {}}
        updating = self.patch(f"{self.api}?updateMask=displayName,labels", renamed)
        report("update_api", self.result(updating))
        report("list_apis", self.names(f"{self.home}/apis", "apis"))

    def configurations(self, document: str) -> None:
        file = {"path": "openapi.json", "contents": base64.b64encode(document.encode()).decode()}
        body = {"openapiDocuments": [{"document": file}]}
        created = []
        for name in self.configs:
            id = name.rpartition("/")[2]
            created.append(self.result(self.post(f"{self.api}/configs?apiConfigId={id}", body)))
        report("create_configs", created)
        report("get_config_basic", contents(self.get(self.configs[0])))
        report("get_config_full", contents(self.get(f"{self.configs[0]}?view=FULL")))
        pages = self.pages(f"{self.api}/configs", "apiConfigs", 1)
        report("list_configs_by_page", [[config["name"] for config in page] for page in pages])
        report("list_configs_by_item", self.names(f"{self.api}/configs", "apiConfigs"))
        updating = self.patch(f"{self.configs[0]}?updateMask=labels", {"labels": {"tier": "gold"}})
        report("update_config", self.result(updating))

    def gateways(self) -> None:
        target = f"{self.region}/gateways?gatewayId=front"
        creating = self.post(target, {"apiConfig": self.configs[0]})
        self.creating_gateway = creating["name"]
        report("create_gateway", self.result(creating))
        report("get_gateway", resource(self.get(self.gateway)))
        switch = {"apiConfig": self.configs[1]}
        report("switch_gateway", self.result(self.patch(f"{self.gateway}?updateMask=apiConfig", switch)))
        report("list_gateways", self.names(f"{self.project}/locations/-/gateways", "gateways"))

    def operations(self) -> None:
        pages = self.pages(f"{self.home}/operations", "operations", 2)
        report("list_operations", [operation["done"] for page in pages for operation in page])
        report("get_operation", operation_state(self.get(self.creating_gateway)))
        assert self.delete(self.creating_api) == {}
        report("delete_operation", self.refused(self.creating_api))

    def bad_config(self) -> None:
        file = {"path": "openapi.json", "contents": base64.b64encode(b"{}").decode()}
        body = {"openapiDocuments": [{"document": file}]}
        creating = self.post(f"{self.api}/configs?apiConfigId=bad", body)
        report("create_bad_config", failure(self.ended(creating)))
        bad = f"{self.api}/configs/bad"
        report("get_bad_config", resource(self.get(bad)))
        self.ended(self.delete(bad))

    def policies(self) -> None:
        names = [self.api, self.configs[0], self.gateway]

        def read() -> list[dict]:
            return [bindings(self.get(f"{name}:getIamPolicy")) for name in names]

        def policy(etag: str) -> dict:
            viewer = {"role": "roles/viewer", "members": ["user:a@example.com"]}
            return {"policy": {"bindings": [viewer], "etag": etag}}

        report("get_iam_policy", read())
        responses = [self.post(f"{name}:setIamPolicy", policy("")) for name in names]
        report("set_iam_policy", [bindings(response) for response in responses])
        report("get_iam_policy_again", read())
        target, body = f"{self.api}:setIamPolicy", policy(responses[0]["etag"])
        self.post(target, body)
        report("set_iam_policy_stale", self.refused(target, *JSON, "-d", json.dumps(body)))
        body = {"permissions": ["apigateway.apis.get"]}
        tested = [self.post(f"{name}:testIamPermissions", body) for name in names]
        report("test_iam_permissions", [response.get("permissions") for response in tested])

    def errors(self) -> None:
        report("not_found", self.refused(f"{self.home}/apis/none"))
        report("invalid_argument", self.refused(f"{self.home}/apis?filter=colour%20%3D%20red"))
        report("delete_api_in_use", self.refused(self.api, "-X", "DELETE"))
        report("delete_config_in_use", self.refused(self.configs[1], "-X", "DELETE"))

    def deletes(self) -> None:
        self.ended(self.delete(self.gateway))
        report("delete_gateway", self.refused(self.gateway))
        for operation in [self.delete(name) for name in self.configs]:
            self.ended(operation)
        report("delete_configs", self.names(f"{self.api}/configs", "apiConfigs"))
        self.ended(self.delete(self.api))
        report("delete_api", self.names(f"{self.home}/apis", "apis"))

    def slowly(self) -> None:
        creating = self.post(f"{self.home}/apis?apiId=held", {})
        name = creating["name"]
        report("start", operation_state(creating))
        report("resume", operation_state(self.get(name)))
        running = self.get(f"{self.home}/operations?filter=done%20%3D%20false")["operations"]
        report("list_running", [operation_state(operation) for operation in running])
        report("busy", self.refused(f"{self.home}/apis/held", "-X", "DELETE"))
        assert self.post(f"{name}:cancel", {}) == {}
        report("cancel", failure(self.ended(creating)))
        report("cancelled", operation_state(self.get(name)))
        other = self.post(f"{self.home}/apis?apiId=other", {})["name"]
        assert body_of(self.ask(f"{other}:cancel", "-X", "POST")) == {}
        report("cancel_by_name", operation_state(self.get(other)))

        doomed = self.post(f"{self.home}/apis?apiId=doomed", {})
        report("create_doomed", failure(self.ended(doomed)))
        targets = [f"{self.home}/apis?apiId=code-{number}" for number in range(1, 17)]
        report("every_code", [self.refused(target, *JSON, "-d", "{}") for target in targets])


def body_of(response: Response) -> dict:
    if response.status != 200:
        raise AssertionError(f"the call failed: {response}")
    return response.json()


def refusal(response: Response) -> dict:
    error = response.json()["error"]
    if error["code"] != response.status:
        raise AssertionError(f"the body has another code than the status line: {response}")
    outcome = {"code": error["status"], "message": error["message"], "reason": None, "details": {}}
    for detail in error.get("details", []):
        match detail["@type"].rpartition(".")[2]:
            case "ErrorInfo":
                outcome["reason"] = detail["reason"]
                outcome["details"]["ErrorInfo"] = True
            case "ResourceInfo":
                outcome["details"]["ResourceInfo"] = detail["resourceName"]
            case "BadRequest":
                fields = [violation["field"] for violation in detail["fieldViolations"]]
                outcome["details"]["BadRequest"] = fields
    return outcome


def resource(message: dict) -> dict:
    outcome = {
        "name": message["name"],
        "state": message["state"],
        "display_name": message["displayName"],
        "labels": message.get("labels", {}),
    }
    return outcome | ({"config": message["apiConfig"]} if "apiConfig" in message else {})


def contents(config: dict) -> dict:
    documents = [document["document"] for document in config.get("openapiDocuments", [])]
    return {
        "name": config["name"],
        "documents": [
            [file["path"], base64.b64decode(file["contents"]).decode()] for file in documents
        ],
    }


def operation_state(operation: dict) -> dict:
    metadata = operation["metadata"]
    outcome = {
        "done": operation.get("done", False),
        "verb": metadata["verb"],
        "target": metadata["target"],
        "requested": metadata.get("requestedCancellation", False),
    }
    return outcome | ({"code": code(operation["error"])} if "error" in operation else {})


def failure(operation: dict) -> dict:
    error = operation["error"]
    return {"code": code(error), "message": error["message"]}


def code(status: dict) -> str:
    """Returns the name of a code. The status of an operation has gRPC's number."""
    names = {1: "CANCELLED", 3: "INVALID_ARGUMENT", 8: "RESOURCE_EXHAUSTED"}
    return names.get(status["code"], str(status["code"]))


def bindings(policy: dict) -> dict:
    return {
        "etag": bool(policy.get("etag")),
        "bindings": [[binding["role"], binding["members"]] for binding in policy.get("bindings", [])],
    }


if __name__ == "__main__":
    main()

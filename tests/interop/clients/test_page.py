"""Runs the Python, Node and shell examples of `src/emulator/testing.md` and of the emulator's web page."""

import json
import os
import re
import subprocess
import sys
import unittest
from pathlib import Path
from urllib.parse import urlsplit

from emulator import HANG_SECONDS, Emulator

ROOT = Path(__file__).parents[3]
GUIDE = ROOT / "src/emulator/testing.md"
ADMIN = ROOT / "proto/apigateway_grpc/emulator/v1/admin.proto"
PROGRAMS = ROOT / "src/emulator/page/assets/copy.js"
RUN = {
    "python": [sys.executable, "-c"],
    "js": ["node", "-e"],
    "sh": ["bash", "-euc"],
}
# The languages of output (`text`), of examples that need a container (`yaml`, `console`), and of dependencies (`toml`).
NOT_RUN = {"text", "yaml", "console", "toml"}


def examples() -> list[tuple[str, str]]:
    """The examples that are run, each with its language."""
    found = re.findall(r"^```(\w+)\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    return [(language, text) for language, text in found if language not in NOT_RUN]


def last_call(emulator: Emulator) -> int:
    """The number of the last call. No number is used twice, even after a reset."""
    return max((int(call["sequence"]) for call in emulator.calls()), default=0)


class Examples(unittest.TestCase):
    def test_the_examples_of_each_language_call_every_method_of_the_admin_service(self) -> None:
        routes = re.findall(r'(get|post|patch|delete): "/emulator/v1/([^"]+)"', ADMIN.read_text())
        self.assertGreater(len(routes), 16)
        for language in RUN:
            text = "".join(text for found, text in examples() if found == language)
            for verb, path in routes:
                # The text must contain the part of the path after the last variable, or the whole path if it has no
                # variable. If the path ends with a variable, the text must contain the verb.
                shown = path.rpartition("}")[2] or verb.upper()
                with self.subTest(language=language, route=f"{verb} {path}"):
                    self.assertIn(shown, text)

    def test_the_examples_of_testing_md_run_unchanged(self) -> None:
        found = examples()
        self.assertEqual([language for language, _ in found], 2 * list(RUN))
        with Emulator("0s") as emulator:
            environment = os.environ | {
                "APIGATEWAY_EMULATOR_HOST": urlsplit(emulator.endpoint).netloc,
                "NODE_PATH": os.path.join(os.environ["INTEROP_WORK"], "node_modules"),
            }
            for language, text in found:
                with self.subTest(language):
                    before = last_call(emulator)
                    ran = subprocess.run(
                        [*RUN[language], text],
                        env=environment,
                        cwd=os.environ["INTEROP_WORK"],
                        capture_output=True,
                        text=True,
                        timeout=HANG_SECONDS * 3,
                    )
                    self.assertEqual(ran.returncode, 0, ran.stderr)
                    if language != "sh":
                        self.assertGreater(last_call(emulator), before, "the example called nothing")
            # The last of the shell's commands deletes everything.
            self.assertEqual((emulator.calls(), emulator.unused()), ([], []))

    def test_the_programs_of_the_web_page_run_unchanged(self) -> None:
        load = "import(process.argv[1]).then(({programs}) => console.log(JSON.stringify(programs(new URL(process.argv[2])))))"
        parent = "projects/demo/locations/global"
        calls = {
            "Python": ("python", f"\nassert not list(client.list_apis(parent='{parent}'))"),
            "Node": ("js", f"\nclient.listApis({{parent: '{parent}'}}).then(() => client.close())"),
            "Shell": ("sh", ""),
        }
        with Emulator("0s") as emulator:
            printed = subprocess.check_output(["node", "-e", load, PROGRAMS, emulator.endpoint], text=True)
            programs = json.loads(printed)
            self.assertEqual(set(programs), {"Rust", *calls})
            environment = os.environ | {
                "PATH": os.path.dirname(os.environ["APIGW"]) + os.pathsep + os.environ["PATH"],
                "NODE_PATH": os.path.join(os.environ["INTEROP_WORK"], "node_modules"),
            }
            for name, (language, call) in calls.items():
                with self.subTest(name):
                    before = len(emulator.calls())
                    ran = subprocess.run(
                        [*RUN[language], programs[name] + call],
                        env=environment,
                        capture_output=True,
                        text=True,
                        timeout=HANG_SECONDS * 3,
                    )
                    self.assertEqual(ran.returncode, 0, ran.stderr)
                    self.assertGreater(len(emulator.calls()), before, "the program called nothing")


if __name__ == "__main__":
    unittest.main()

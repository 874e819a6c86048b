"""The manifests are what Kubernetes takes, and what their containers run does what they are for."""

import json
import tomllib
from copy import deepcopy
from pathlib import Path

import kubernetes_validate
import yaml

from surroundings import EXAMPLES, HERE, Example, account, ended, inspected
from store import BUCKET, Store

# Older schemas ask for conditions where a policy names exit codes. The other is the newest.
VERSIONS = ("1.29", kubernetes_validate.latest_version())

FILES = ("dump-to-volume.yaml", "dump-to-bucket.yaml")


def manifests(name):
    return list(yaml.safe_load_all((EXAMPLES / "kubernetes" / name).read_text()))


def of_kind(kind, documents):
    return next(document for document in documents if document["kind"] == kind)


def pod(documents):
    return of_kind("CronJob", documents)["spec"]["jobTemplate"]["spec"]["template"]["spec"]


class Kubernetes(Example):
    def container(self, documents, configuration, secrets, **more):
        """Runs what the container runs, with the folders that are mounted and the variables that are set."""
        only = pod(documents)["containers"][0]
        places = {mount["name"]: mount["mountPath"] for mount in only["volumeMounts"]}
        here = {place: str(self.folder / name) for name, place in places.items()}
        for volume in pod(documents)["volumes"]:
            Path(here[places[volume["name"]]]).mkdir(exist_ok=True)
            if "configMap" in volume:
                given = json.loads(of_kind("ConfigMap", documents)["data"]["config.json"])
                self.write(f"{volume['name']}/config.json", merged(given, configuration))
        variables = {}
        for variable in only["env"]:
            reference = variable.get("valueFrom", {}).get("secretKeyRef", {})
            variables[variable["name"]] = variable.get("value") or secrets[reference["name"]][reference["key"]]
        command = [*only["command"], *only["args"]]
        for place, folder in here.items():
            command = [word.replace(place, folder) for word in command]
        command = [word.replace("acme-data", BUCKET) for word in command]
        # Nothing else of the container can be written to.
        nowhere = str(self.folder / "nowhere")
        result = ended([f"{HERE}/{command[0]}", *command[1:]], HOME=nowhere, TMPDIR=nowhere, **variables, **more)
        self.assertFalse(Path(nowhere).exists())
        written = {mount["name"] for mount in only["volumeMounts"] if not mount.get("readOnly")}
        for name in places.keys() - written:
            self.assertEqual([path.name for path in (self.folder / name).iterdir()], ["config.json"])
        return result

    def test_the_schemas_take_them(self):
        for version in VERSIONS:
            for name in FILES:
                for document in manifests(name):
                    with self.subTest(version=version, file=name, kind=document["kind"]):
                        kubernetes_validate.validate(document, version, strict=True)

    def test_the_schemas_refuse_slips(self):
        slips = (
            (("spec", "concurencyPolicy"), "Forbid"),
            (("spec", "jobTemplate", "spec", "backoffLimit"), "two"),
            (("spec", "jobTemplate", "spec", "template", "spec", "containers", 0, "securityContext", "readOnly"), True),
            (("spec", "jobTemplate", "spec", "template", "spec", "containers", 0, "resources", "limit"), {}),
        )
        for name in FILES:
            for (*path, last), value in slips:
                with self.subTest(file=name, slip=last):
                    job = deepcopy(of_kind("CronJob", manifests(name)))
                    place = job
                    for step in path:
                        place = place[step]
                    place[last] = value
                    with self.assertRaises(kubernetes_validate.ValidationError):
                        kubernetes_validate.validate(job, VERSIONS[-1], strict=True)

    def test_names_fit_together(self):
        for name in FILES:
            documents = manifests(name)
            named = {(document["kind"], document["metadata"]["name"]) for document in documents}
            volumes = {volume["name"] for volume in pod(documents)["volumes"]}
            only = pod(documents)["containers"][0]
            self.assertEqual({mount["name"] for mount in only["volumeMounts"]}, volumes)
            for volume in pod(documents)["volumes"]:
                if "configMap" in volume:
                    self.assertIn(("ConfigMap", volume["configMap"]["name"]), named)
                if "persistentVolumeClaim" in volume:
                    self.assertIn(("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]), named)
            rules = of_kind("CronJob", documents)["spec"]["jobTemplate"]["spec"]["podFailurePolicy"]["rules"]
            self.assertEqual([rule["onExitCodes"]["containerName"] for rule in rules], [only["name"]])
            version = tomllib.loads((EXAMPLES.parent / "Cargo.toml").read_text())["package"]["version"]
            self.assertEqual(only["image"].partition(":")[2], version)

    def test_a_volume_is_filled(self):
        documents = manifests("dump-to-volume.yaml")
        with account() as configuration:
            secrets = {"source-zendesk-chat": {"access-token": configuration.pop("credentials")["access_token"]}}
            for _ in range(2):
                code, output, talk = self.container(documents, configuration, secrets)
                self.assertEqual(code, 0, talk)
        self.assertEqual({stream["status"] for stream in json.loads(output)["streams"]}, {"complete"})
        self.assertEqual(inspected(self.folder / "zendesk-lake")["tables"]["chats"]["rows"], 300)

    def test_a_bucket_is_filled(self):
        documents = manifests("dump-to-bucket.yaml")
        store = Store()
        self.addCleanup(store.close)
        with account("--credentials", "client-credentials") as configuration:
            variables = store.environment()
            secrets = {
                "aws-access-key-id": variables["AWS_ACCESS_KEY_ID"],
                "aws-secret-access-key": variables["AWS_SECRET_ACCESS_KEY"],
                "client-secret": configuration["credentials"].pop("client_secret"),
            }
            for _ in range(2):
                code, _, talk = self.container(
                    documents, configuration, {"source-zendesk-chat": secrets}, AWS_ENDPOINT_URL=store.url
                )
                self.assertEqual(code, 0, talk)
        state = json.loads(store.read("zendesk-lake/_state.json"))
        self.assertEqual(sum(file["rows"] for file in state["tables"]["chats"]["live"]), 300)
        self.assertIsNone(state.get("lease"))

    def test_a_wrong_command_line_ends_with_the_code_that_the_policy_names(self):
        for name in FILES:
            documents = manifests(name)
            rules = of_kind("CronJob", documents)["spec"]["jobTemplate"]["spec"]["podFailurePolicy"]["rules"]
            code, _, _ = ended([f"{HERE}/source-zendesk-chat", "dump", "--outt=here"])
            self.assertEqual([rule["onExitCodes"]["values"] for rule in rules], [[code]])


def merged(given, real):
    """The configuration of an example, with what makes it one of a made-up account."""
    credentials = given.get("credentials", {}) | real.get("credentials", {})
    return given | real | ({"credentials": credentials} if credentials else {})

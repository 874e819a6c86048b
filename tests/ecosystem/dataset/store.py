"""An object store of our own on a free port of this machine, which forgets everything."""

import logging
import threading

import boto3
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

BUCKET, REGION, KEY, SECRET = "datasets", "eu-central-1", "the-key-id", "the-secret-key"


class Atomic:
    """Answers one request after the other, since a real store looks at a condition and writes in one step.

    Writes of one key that are under way at once end in whatever order. `reversed` names the end of the keys where that
    is the reverse of the order in which they came: each waits a second for one that comes after it.
    """

    def __init__(self, answer):
        self.answer, self.lock = answer, threading.Lock()
        self.reversed, self.waiting = None, threading.Condition()
        self.came, self.done = 0, set()

    def __call__(self, environ, start_response):
        if not self.reversed or environ["REQUEST_METHOD"] != "PUT" or not environ["PATH_INFO"].endswith(self.reversed):
            return self.one_at_a_time(environ, start_response)
        with self.waiting:
            self.came += 1
            mine = self.came
            self.waiting.notify_all()
            if self.waiting.wait_for(lambda: self.came > mine, timeout=1):
                self.waiting.wait_for(lambda: mine + 1 in self.done, timeout=30)
        answer = self.one_at_a_time(environ, start_response)
        with self.waiting:
            self.done.add(mine)
            self.waiting.notify_all()
        return answer

    def one_at_a_time(self, environ, start_response):
        with self.lock:
            return [b"".join(self.answer(environ, start_response))]


class Store:
    """The store, with one bucket."""

    def __init__(self):
        logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
        self.application = Atomic(DomainDispatcherApplication(create_backend_app))
        self.server = make_server("127.0.0.1", 0, self.application, threaded=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        session = boto3.session.Session(KEY, SECRET, region_name=REGION)
        self.client = session.client("s3", endpoint_url=self.url)
        self.client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})

    def close(self):
        self.client.close()
        self.server.shutdown()
        self.server.server_close()

    def environment(self):
        """What a program needs to know of the store."""
        return {
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL": self.url,
        }

    def keys(self, prefix):
        """The keys below a prefix, without it, and the sizes of what they name."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"{prefix}/")
        objects = (one for page in pages for one in page.get("Contents", ()))
        return {one["Key"].removeprefix(f"{prefix}/"): one["Size"] for one in objects}

    def read(self, key):
        return self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read()

    def write(self, key, content, **conditions):
        return self.client.put_object(Bucket=BUCKET, Key=key, Body=content, **conditions)["ETag"]

    def unfinished(self):
        """The keys of uploads in parts that were begun, and neither completed nor given up."""
        uploads = self.client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", ())
        return [upload["Key"] for upload in uploads]

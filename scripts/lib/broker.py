"""The embedded broker: one Apache Kafka node in KRaft mode, from the jars that scripts/setup fetched."""

import base64
import os
import subprocess
import time
import uuid

import kafka_admin
from console import Failure
from process import Process

JAVA = "/usr/bin/java"
HEAP = "512m"
READY_WITHIN_S = 180
RECORD_BYTES_MAX = 4 << 20  # twice the largest dead letter: a record over the limit of 1 MiB and its headers

# Input topics carry the broker's own time, which is what admission compares an event's time with.
BROKER_TIME = {"message.timestamp.type": "LogAppendTime"}
TOPICS = [
    ("ai.anomalies.v1", 4, BROKER_TIME),
    ("ai.evidence.v1", 2, BROKER_TIME),
    ("ai.policy.v1", 1, BROKER_TIME),
    ("ai.dlq.v1", 1, {}),
    ("control.commits.v1", 1, {}),
]

PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
message.max.bytes={record_bytes_max}
replica.fetch.max.bytes={record_bytes_max}
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
num.network.threads=2
num.io.threads=4
log.cleaner.dedupe.buffer.size=8388608
"""

LOGGING = """\
log4j.rootLogger=WARN, stdout
log4j.appender.stdout=org.apache.log4j.ConsoleAppender
log4j.appender.stdout.layout=org.apache.log4j.PatternLayout
log4j.appender.stdout.layout.ConversionPattern=%d{ISO8601} %p %c %m%n
"""


class Broker:
    """The broker of one run directory."""

    def __init__(self, layout, port):
        self.directory = layout.kafka
        self.jars = layout.root / ".cache/kafka/libs"
        self.port = port
        self.address = ("127.0.0.1", port)
        self.process = Process("the Kafka broker", layout.pids / "kafka.pid", layout.logs / "kafka.log")

    def _java(self, *arguments):
        return [JAVA, "-cp", f"{self.jars}/*", f"-Dlog4j.configuration=file:{self.directory}/log4j.properties", *arguments]

    def _environment(self):
        return {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}

    def prepare(self):
        """Write the configuration and format the storage. Keeps what is there."""
        if not self.jars.is_dir():
            raise Failure(f"the broker's jars are missing in {self.jars}: run ./scripts/setup run")
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "log4j.properties").write_text(LOGGING)
        properties = self.directory / "server.properties"
        properties.write_text(PROPERTIES.format(
            port=self.port, controller_port=self.port + 1, data=self.directory / "data",
            record_bytes_max=RECORD_BYTES_MAX))
        if (self.directory / "data/meta.properties").exists():
            return
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        result = subprocess.run(
            self._java("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "kafka.tools.StorageTool", "format",
                       f"--cluster-id={cluster_id}", "-c", str(properties)),  # an id may begin with a dash
            env=self._environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise Failure(f"formatting the broker's storage failed:\n{result.stdout}{result.stderr}")

    def start(self):
        """Start it; wait_ready() tells when it answers."""
        self.process.start(
            self._java(f"-Xmx{HEAP}", "-XX:+UseSerialGC", "kafka.Kafka", str(self.directory / "server.properties")),
            cwd=self.directory, env=self._environment())

    def wait_ready(self):
        end = time.monotonic() + READY_WITHIN_S
        while not kafka_admin.answers(self.address):
            self.process.require_alive()
            if time.monotonic() > end:
                raise Failure(f"the Kafka broker does not answer after {READY_WITHIN_S} s; its log is "
                              f"{self.process.log_file}, which ends:\n{self.process.log_tail()}")
            time.sleep(0.05)


def make_topics(address, prefix=""):
    """Create the topics; a broker that has just started may need a moment before it can."""
    topics = [(prefix + name, partitions, settings) for name, partitions, settings in TOPICS]
    end = time.monotonic() + READY_WITHIN_S
    while True:
        try:
            return kafka_admin.create_topics(address, topics)
        except (Failure, OSError) as error:
            if time.monotonic() > end:
                raise Failure(f"creating topics at {address[0]}:{address[1]} failed: {error}") from None
            time.sleep(0.1)

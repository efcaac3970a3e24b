"""The supervisor: Kafka, the topics, every worker, Cassandra; all of it until it is stopped.

Cassandra is there where a worker needs it, and comes last: nothing on the live line waits for it.

It has one loop and no threads: whoever runs it calls `step` several times a second. Nothing is
waited for by time: each process says when it is ready, and only a limit ends the waiting.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType

from models.errors import SettingsError, StackError
from models.settings import Settings
from services.local.cassandra.start import CassandraStart, own_node
from services.local.guardian import Guardian
from services.local.kafka.broker import KafkaBroker
from services.local.ports import choose_port
from services.local.processes import ProcessPlan, SupervisedProcess
from services.local.state import StackLock, StackState, read_state, start_time_of, write_state
from services.local.topics import create_topics
from services.local.workers import Worker, worker_plan

STEP_S = 0.1
# So many deaths before it was ever ready are no accident: the start is given up.
_DEATHS_AT_START = 3
_SERVERS = ("kafka", "cassandra")


class Supervisor:
    """Everything of one data folder. Use it as a context: it starts at entry, stops at exit.

    After entry Kafka is on its way; `step` moves everything on, `wait_until_ready` steps until
    all is ready. `say` is told in one line what happens.
    """

    def __init__(
        self,
        settings: Settings,
        workers: Sequence[Worker] = (),
        say: Callable[[str], None] = lambda _: None,
        shared: Callable[[Mapping[str, int]], Mapping[str, str]] = lambda _: {},
    ) -> None:
        """`shared` gives, by the ports of the stack, settings that every process has."""
        self._shared = shared
        self._settings = settings
        self._workers = workers
        self._say = say
        self._lock = StackLock(settings.data_dir)
        self._state = StackState(ports={})
        self._processes: list[SupervisedProcess] = []
        self._errands: list[SupervisedProcess] = []
        self._topics_made = False
        self._cassandra: CassandraStart | None = None
        self._was_ready = self._was_line_ready = False
        self._deadline = 0.0

    def __enter__(self) -> Supervisor:
        """Start Kafka.

        Raises:
            SettingsError: the settings are those of a Kafka that does not take everyone.
            StackError: a stack is running here already, a port is taken, or parts are missing.
        """
        if self._settings.kafka_security_protocol != "plaintext":
            raise SettingsError(
                "expected COINTIDE_KAFKA_SECURITY_PROTOCOL to be plaintext for a local stack with "
                f"a Kafka of its own, was {self._settings.kafka_security_protocol}"
            )
        self._lock.acquire()
        self._guardian = Guardian(self._lock.descriptor)
        try:
            self._begin()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop the workers, then Kafka and Cassandra; nothing is left running."""
        self._end()

    @property
    def brokers(self) -> str:
        """The bootstrap address of the stack's Kafka."""
        return self._state.brokers

    @property
    def ports(self) -> Mapping[str, int]:
        """The ports of the stack by use: `kafka`, then the names of the workers."""
        return self._state.ports

    @property
    def is_ready(self) -> bool:
        """Whether everything was ready at the last step."""
        return self._state.state == "ready"

    @property
    def is_line_ready(self) -> bool:
        """Whether everything is that does without Cassandra."""
        late = {worker.name for worker in self._workers if worker.needs_cassandra} | {"cassandra"}
        line = [process for name, process in self.processes.items() if name not in late]
        return self._topics_made and all(process.phase == "ready" for process in line)

    @property
    def processes(self) -> dict[str, SupervisedProcess]:
        """The supervised processes by name: `kafka`, the workers, `cassandra`, who need it."""
        return {process.plan.name: process for process in self._processes}

    def wait_until_ready(
        self, is_stop_asked: Callable[[], bool] = lambda: False, line_alone: bool = False
    ) -> bool:
        """Step until everything is ready; return False if a stop was asked for before that.

        With `line_alone` until everything is that does without Cassandra.

        Raises:
            StackError: it took longer than its limit, or a process cannot be started.
        """
        while not (self.is_line_ready if line_alone else self.is_ready):
            if is_stop_asked():
                return False
            self.step()
            time.sleep(STEP_S)
        return True

    def step(self) -> None:
        """Look after everything once.

        Raises:
            StackError: the first start took longer than its limit, or has failed.
        """
        self._guardian.keep()
        for process in self._processes:
            before = process.phase, process.deaths
            process.step()
            self._tell_change(process, *before)
        kafka = self._processes[0]
        if kafka.phase == "ready" and not self._topics_made:
            self._make_topics()
            self._start_workers(needing_cassandra=False)
        self._step_cassandra()
        self._publish()
        if not self._was_ready:
            self._check_start()

    def run_once(self, plan: ProcessPlan) -> SupervisedProcess:
        """Start a process that has an end of its own, and return it.

        It is never started again, and it is stopped with the workers if it still runs then.
        """
        process = SupervisedProcess(plan, self._settings.data_dir / "logs", self._guardian)
        self._errands.append(process)
        process.start()
        return process

    def _begin(self) -> None:
        settings = self._settings
        kept = read_state(settings.data_dir) or StackState(ports={})
        ports: dict[str, int] = {}
        wanted = {"kafka": settings.kafka_port, "kafka-controller": settings.kafka_controller_port}
        if self._needs_cassandra and not settings.cassandra_contact_points:
            wanted["cassandra"] = settings.cassandra_port
            wanted["cassandra-storage"] = settings.cassandra_storage_port
        wanted |= {worker.name: worker.wanted_port for worker in self._workers}
        for use in wanted:
            ports[use] = choose_port(use, wanted.get(use, 0), kept.ports.get(use), ports.values())
        broker = KafkaBroker(settings, ports["kafka"], ports["kafka-controller"])
        node = None
        if "cassandra" in wanted:
            node = own_node(settings, ports["cassandra"], ports["cassandra-storage"])
        if self._needs_cassandra:
            self._cassandra = CassandraStart(settings, node, self._add, self.run_once)
        pid = os.getpid()
        self._state = StackState(
            ports={**kept.ports, **ports},
            brokers=broker.address,
            cassandra=node.address if node else "",
            namespace=settings.namespace,
            state="starting",
            waiting_for="kafka",
            pid=pid,
            started=start_time_of(pid) or 0,
        )
        write_state(settings.data_dir, self._state)
        self._guardian.start()
        self._deadline = time.monotonic() + settings.start_timeout_s
        broker.prepare()
        self._add(broker.plan())

    @property
    def _needs_cassandra(self) -> bool:
        return any(worker.needs_cassandra for worker in self._workers)

    def _add(self, plan: ProcessPlan) -> SupervisedProcess:
        process = SupervisedProcess(plan, self._settings.data_dir / "logs", self._guardian)
        self._processes.append(process)
        process.start()
        return process

    def _make_topics(self) -> None:
        reports = create_topics(self.brokers, self._settings)
        self._topics_made = True
        created = sum(report.action == "created" for report in reports)
        self._say(f"topics: {len(reports)} as declared, {created} of them new")

    def _step_cassandra(self) -> None:
        # The machine is busy enough until the line is there.
        if self._cassandra is None or not (self._was_line_ready or self.is_line_ready):
            return
        self._was_line_ready = True
        before = self._cassandra.waiting_for
        if self._cassandra.step() and before:
            self._say("schema of the archive: ready")
            self._start_workers(needing_cassandra=True)

    def _start_workers(self, needing_cassandra: bool) -> None:
        shared = dict(self._shared(self._state.ports))
        if self._state.cassandra:
            shared["cassandra_contact_points"] = self._state.cassandra
        for worker in self._workers:
            if worker.needs_cassandra == needing_cassandra:
                port = self._state.ports[worker.name]
                self._add(worker_plan(worker, self._settings, self.brokers, port, shared))

    def _tell_change(self, process: SupervisedProcess, phase: str, deaths: int) -> None:
        name = process.plan.name
        if process.deaths > deaths:
            self._say(f"{name}: ended with status {process.last_exit}, starts again; {process.log}")
        elif process.phase == "ready" and phase != "ready":
            self._say(f"{name}: ready")

    def _publish(self) -> None:
        """Write the state where it changed."""
        waiting_for = [process.plan.name for process in self._processes if process.phase != "ready"]
        if not self._topics_made:
            waiting_for.append("topics")
        if self._cassandra is not None and self._cassandra.waiting_for:
            waiting_for.append(self._cassandra.waiting_for)
        before = self._state.state, self._state.waiting_for, self._state.processes
        self._state.waiting_for = ", ".join(waiting_for)
        self._state.state = "starting" if waiting_for else "ready"
        self._state.processes = {process.plan.name: process.pid for process in self._processes}
        if before != (self._state.state, self._state.waiting_for, self._state.processes):
            write_state(self._settings.data_dir, self._state)
        self._was_ready = self._was_ready or not waiting_for

    def _check_start(self) -> None:
        for process in self._processes:
            if process.deaths >= _DEATHS_AT_START:
                raise StackError(
                    f"expected {process.plan.name} to become ready, it ended "
                    f"{process.deaths} times, last with status {process.last_exit}; "
                    f"the end of {process.log}:\n{process.log_tail()}"
                )
        if time.monotonic() > self._deadline:
            every = [*self._processes, *self._errands]
            late = next((p for p in every if p.phase != "ready"), every[0])
            raise StackError(
                f"expected the stack to be ready within {self._settings.start_timeout_s:g} s, "
                f"still waiting for {self._state.waiting_for}; "
                f"the end of {late.log}:\n{late.log_tail()}"
            )

    def _end(self) -> None:
        """Stop the workers together, then Kafka and Cassandra, which they need for their end."""
        servers = [each for each in self._processes if each.plan.name in _SERVERS]
        workers = [each for each in self._processes if each.plan.name not in _SERVERS]
        for together in ([*self._errands, *workers], servers):
            for process in together:
                process.ask_to_stop()
            for process in together:
                process.stop()
        self._guardian.stop()
        if self._state.pid:
            self._state.state, self._state.waiting_for = "stopped", ""
            self._state.pid = self._state.started = 0
            self._state.processes = {}
            write_state(self._settings.data_dir, self._state)
        self._lock.release()

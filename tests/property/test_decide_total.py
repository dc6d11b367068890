"""decide() over anything that can be seen, and over a cluster that makes images of the disks."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from thresher.imports.actions import (
    Accept,
    Action,
    CleanUp,
    CreateVm,
    Fail,
    Finish,
    GiveUp,
    Halt,
    PowerOff,
    Rest,
    RestorePower,
    ShutDownGuest,
    StartVm,
    SubmitImages,
    Sweep,
    TransferDisks,
    Wait,
)
from thresher.imports.decide import decide
from thresher.imports.facts import facts_of
from thresher.imports.observed import (
    DiskSeen,
    DiskState,
    Failure,
    ImageSeen,
    ImageState,
    Observed,
    Recorded,
    Step,
    TargetSeen,
    TargetState,
    Tries,
)
from thresher.imports.phases import Phase, route
from thresher.imports.policy import DEFAULT
from thresher.imports.status import ImportStatus, Truth, derive
from thresher.model.spec import ImportSpec, RunStrategy, Verify
from thresher.model.units import MiB
from thresher.model.vm import CpuTopology, Disk, Loss, PowerState, Severity, SourceVM

NOW = datetime(2026, 1, 1, tzinfo=UTC)
VM = SourceVM("web", CpuTopology(1, 1), MiB(512), disks=(Disk("a", None), Disk("b", None)))
TOUCHING = (ShutDownGuest, PowerOff, TransferDisks, SubmitImages, CreateVm, StartVm)

times = st.sampled_from([None, NOW - timedelta(days=1), NOW - timedelta(seconds=30), NOW])
some_time = st.sampled_from([NOW - timedelta(days=1), NOW - timedelta(seconds=1), NOW])
failures = st.builds(Failure, st.just("StreamCut"), st.just("It stopped."), st.booleans())
maybe_failure = st.none() | failures
tries = st.builds(Tries, st.sampled_from(Step), st.integers(1, 12), some_time, failures)
recorded = st.builds(
    Recorded,
    accepted=st.booleans(),
    power_when_found=st.none() | st.sampled_from(PowerState),
    touched=times,
    shutdown_asked=times,
    power_off_asked=times,
    start_asked=times,
    copies=st.sampled_from(["", "uid"]),
    remakes=st.integers(0, 5),
    tries=st.lists(tries, max_size=3).map(tuple),
    gave_up=maybe_failure,
)
keys = ("a", "b")
disks = st.tuples(
    *(
        st.builds(DiskSeen, st.just(key), st.sampled_from(DiskState), st.booleans(), failure=maybe_failure)
        for key in keys
    )
)
images = st.tuples(
    *(
        st.builds(ImageSeen, st.just(key), st.sampled_from(ImageState), failure=maybe_failure, since=times)
        for key in keys
    )
)
losses = st.builds(Loss, st.just("SharedDisk"), st.just("disk a"), st.just("It is shared."), st.sampled_from(Severity))
observed = st.builds(
    Observed,
    source_ready=st.booleans(),
    source_failure=maybe_failure,
    always_off=st.booleans(),
    vm=st.sampled_from([None, VM]),
    findings=st.none() | st.lists(losses, max_size=2).map(tuple),
    power=st.none() | st.sampled_from(PowerState),
    disks=st.just(()) | disks,
    images=st.just(()) | images,
    target=st.builds(TargetSeen, st.sampled_from(TargetState), alive=st.none() | st.booleans()),
    deletion_asked=st.booleans(),
    moving=st.booleans(),
    recorded=recorded,
)
specs = st.builds(
    ImportSpec,
    st.just("default"),
    st.just("web"),
    st.just("uid"),
    st.just("web"),
    force_power_off=st.booleans(),
    skip_preflight=st.booleans(),
    run_strategy=st.none() | st.sampled_from(RunStrategy),
    suspend=st.booleans(),
    verify=st.sampled_from(Verify),
)


@settings(max_examples=600, deadline=None)
@given(specs, observed)
def test_there_is_always_an_action_and_it_is_a_safe_one(spec: ImportSpec, seen: Observed) -> None:
    action = decide(spec, seen, NOW)
    assert isinstance(action, Action)
    if isinstance(action, TOUCHING):
        assert seen.recorded.accepted
        assert not seen.deletion_asked
        assert seen.recorded.gave_up is None
        assert seen.target.state is not TargetState.FOREIGN
    if isinstance(action, TransferDisks | SubmitImages | RestorePower):
        assert not seen.target.ours
    if isinstance(action, TransferDisks):
        assert seen.power in (None, PowerState.OFF)
    if isinstance(action, RestorePower):
        assert seen.recorded.power_when_found is PowerState.ON
        assert seen.recorded.touched
    if isinstance(action, CleanUp):
        assert seen.target.state is not TargetState.RUNNING
    if isinstance(action, Sweep):
        assert seen.recorded.copies
    if isinstance(action, Finish | Fail) and seen.recorded.copies:
        assert seen.recorded.of(Step.SWEEP) is not None, "what may be left at the source was not even tried to remove"
    if isinstance(action, Wait) and action.until is not None:
        assert action.until > NOW
    if isinstance(action, CreateVm):
        assert {image.state for image in seen.images} == {ImageState.READY}


@settings(max_examples=400, deadline=None)
@given(specs, observed)
def test_a_suspended_import_touches_nothing_and_rests_only_where_nothing_is_owed(
    spec: ImportSpec, seen: Observed
) -> None:
    spec = replace(spec, suspend=True)
    action = decide(spec, seen, NOW)
    assert not isinstance(action, TOUCHING)
    if isinstance(action, Rest):
        assert not seen.moving
        owed = seen.recorded.touched and seen.recorded.power_when_found is PowerState.ON
        assert not owed or seen.power is PowerState.ON, "it rests while the source VM is not as it was found"
        assert seen.is_off or not seen.left_behind, "it keeps copies of a VM that runs"
    if isinstance(action, Halt):
        assert seen.target.state is not TargetState.RUNNING


@settings(max_examples=400, deadline=None)
@given(specs, observed)
def test_a_status_can_be_derived_of_anything(spec: ImportSpec, seen: Observed) -> None:
    first = derive(spec, seen, ImportStatus(), NOW)
    later = derive(spec, seen, first, NOW + timedelta(hours=1))
    assert later == first, "a status of the same facts does not change, not even in its times"
    assert 0 <= first.percent <= 100
    assert first.message
    for condition in (*first.conditions, *first.import_conditions):
        assert condition.reason
        assert condition.last_transition == NOW
    assert len({c.type for c in first.conditions}) == len(first.conditions)
    ready = first.conditions[0]
    assert (ready.status is Truth.TRUE) == (first.phase in (Phase.RUNNING, Phase.HALTED))
    if spec.verify is Verify.BOOT and seen.target.alive is False:
        assert first.phase is not Phase.RUNNING, "success is claimed without a sign of life"


@settings(max_examples=300, deadline=None)
@given(st.permutations([DiskState.FAILED, DiskState.PENDING, DiskState.DONE]))
def test_a_failed_disk_is_never_hidden_by_the_order(order: list[DiskState]) -> None:
    spec = ImportSpec("default", "web", "uid", "web")
    vm = SourceVM("web", CpuTopology(1, 1), MiB(512), disks=tuple(Disk(str(n), None) for n in range(3)))
    copies = tuple(DiskSeen(str(number), state) for number, state in enumerate(order))
    seen = Observed(source_ready=True, vm=vm, findings=(), disks=copies, recorded=Recorded(accepted=True))
    assert route(facts_of(spec, seen))[-1] is Phase.COPYING


@settings(max_examples=200, deadline=None)
@given(
    downloads=st.lists(st.sampled_from([ImageState.READY, ImageState.FAILED]), max_size=12),
    refused=st.booleans(),
    deleted_after=st.none() | st.integers(0, 25),
)
def test_images_end_ready_or_given_up_after_a_bounded_number_of_remakes(
    *, downloads: list[ImageState], refused: bool, deleted_after: int | None
) -> None:
    cluster = Cluster(downloads, refused=refused)
    action: Action = Accept(None)
    for step in range(200):
        cluster.deletion_asked = deleted_after is not None and step >= deleted_after
        action = decide(cluster.spec, cluster.observe(), cluster.now)
        if isinstance(action, Finish | Fail):
            break
        cluster.apply(action)
    assert isinstance(action, Finish | Fail)
    assert cluster.recorded.remakes <= DEFAULT.remakes
    if isinstance(action, Fail):
        assert not cluster.running
        assert downloads.count(ImageState.FAILED) > (0 if refused else DEFAULT.remakes)
    elif not cluster.running:
        assert cluster.deletion_asked
        assert not cluster.images
    if not cluster.running and cluster.switched_off:
        assert cluster.power is PowerState.ON


class Cluster:
    """A vCenter and a Harvester, as far as images and power go."""

    def __init__(self, downloads: list[ImageState], *, refused: bool) -> None:
        self.spec = ImportSpec("default", "web", "uid", "web", force_power_off=True)
        self.now = NOW
        self.recorded = Recorded()
        self.power = PowerState.ON
        self.copied = self.created = self.running = self.deletion_asked = self.switched_off = False
        self.images: dict[str, ImageState] = {}
        self._failed_at: dict[str, datetime] = {}
        self._downloads = iter(downloads)
        self._why = Failure("ImageFailed", "The download failed.", not refused)

    def observe(self) -> Observed:
        """Look at everything anew."""
        state = TargetState.CREATED if self.created else TargetState.ABSENT
        images = tuple(
            ImageSeen(
                key,
                at,
                failure=self._why if at is ImageState.FAILED else None,
                since=self._failed_at.get(key),
            )
            for key, at in self.images.items()
        )
        return Observed(
            source_ready=True,
            vm=VM,
            findings=(),
            power=self.power,
            disks=tuple(DiskSeen(k, DiskState.DONE if self.copied else DiskState.PENDING) for k in keys),
            images=images,
            target=TargetSeen(TargetState.RUNNING if self.running else state),
            deletion_asked=self.deletion_asked,
            recorded=self.recorded,
        )

    def apply(self, action: Action) -> None:  # noqa: C901 - one case for each action
        """Do it; while the import waits, the downloads end."""
        match action:
            case Accept():
                self.recorded = self.recorded.accept(action.power)
            case GiveUp():
                self.recorded = replace(self.recorded, gave_up=action.failure)
            case PowerOff():
                self.recorded = replace(self.recorded, touched=self.now, power_off_asked=self.now)
                self.power, self.switched_off = PowerState.OFF, True
            case RestorePower():
                self.power, self.recorded = PowerState.ON, self.recorded.restored()
            case TransferDisks():
                self.copied = True
            case SubmitImages():
                self.images |= dict.fromkeys(action.keys, ImageState.SUBMITTED)
                self.recorded = replace(self.recorded, remakes=self.recorded.remakes + action.remake)
            case CleanUp():
                self.images, self.copied, self.created = {}, False, False
            case CreateVm():
                self.created = True
            case StartVm():
                self.running = True
            case Wait():
                self._wait()
            case _:
                raise AssertionError(f"{action} has no place in this world")

    def _wait(self) -> None:
        self.now += timedelta(seconds=10)
        for key, state in self.images.items():
            if state is ImageState.SUBMITTED:
                self.images[key] = next(self._downloads, ImageState.READY)
                self._failed_at[key] = self.now

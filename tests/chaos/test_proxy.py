"""The pausing proxy: what is not trapped passes unchanged; what is trapped waits, and goes on or is cut."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import active_count

import httpx
import pytest

from sandbox.chaos.proxy import Hold, Moment, PausingProxy
from sandbox.chaos.wire import Message
from tests.chaos.upstream import Upstream, running_upstream, unused_port

SECONDS = 10.0


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with running_upstream() as server:
        yield server


@pytest.fixture
def proxy(upstream: Upstream) -> Iterator[PausingProxy]:
    with PausingProxy(upstream.url) as one:
        yield one


@pytest.fixture
def client(proxy: PausingProxy) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=proxy.url, timeout=SECONDS, trust_env=False) as one:
        yield one


@pytest.fixture
def aside() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as pool:
        yield pool


def to(target: str) -> Callable[[Message], bool]:
    return lambda message: message.target == target


def sent(client: httpx.Client, aside: ThreadPoolExecutor, hold: Hold, target: str) -> "Future[httpx.Response]":
    """Send a request that is trapped, and return when it is held."""
    answer = aside.submit(client.get, target)
    assert hold.reached.wait(SECONDS)
    return answer


def test_what_is_not_trapped_passes_unchanged(client: httpx.Client) -> None:
    assert client.post("/a?b=%2F", content="body").text == "POST /a?b=%2F body"


def test_a_chunked_answer_passes_unchanged(client: httpx.Client) -> None:
    assert client.get("/chunked").text == "GET /chunked "


def test_an_answer_without_a_body_passes_and_another_request_may_follow_it(client: httpx.Client) -> None:
    assert client.get("/nothing").status_code == 204
    assert client.get("/next").text == "GET /next "


def test_a_request_held_before_is_not_seen_by_the_server(
    upstream: Upstream, proxy: PausingProxy, client: httpx.Client, aside: ThreadPoolExecutor
) -> None:
    hold = proxy.trap(to("/held"), Moment.BEFORE)
    answer = sent(client, aside, hold, "/held")

    assert upstream.asked == []

    hold.let_go()
    assert answer.result(SECONDS).text == "GET /held "


def test_a_request_held_after_is_done_and_its_answer_waits(
    upstream: Upstream, proxy: PausingProxy, client: httpx.Client, aside: ThreadPoolExecutor
) -> None:
    hold = proxy.trap(to("/held"), Moment.AFTER)
    answer = sent(client, aside, hold, "/held")

    assert upstream.asked == ["GET /held"]
    assert not answer.done()

    hold.let_go()
    assert answer.result(SECONDS).text == "GET /held "


@pytest.mark.parametrize("moment, asked", [(Moment.BEFORE, []), (Moment.AFTER, ["GET /held"])])
def test_a_cut_resets_the_connection(
    upstream: Upstream,
    proxy: PausingProxy,
    client: httpx.Client,
    aside: ThreadPoolExecutor,
    moment: Moment,
    asked: list[str],
) -> None:
    hold = proxy.trap(to("/held"), moment)
    answer = sent(client, aside, hold, "/held")
    hold.cut()

    with pytest.raises(httpx.ReadError):
        answer.result(SECONDS)
    assert hold.over.wait(SECONDS)
    assert upstream.asked == asked


def test_a_request_whose_sender_gave_up_still_lands_when_it_is_let_go(
    upstream: Upstream, proxy: PausingProxy, client: httpx.Client
) -> None:
    hold = proxy.trap(to("/held"), Moment.BEFORE)
    with pytest.raises(httpx.ReadTimeout):
        client.get("/held", timeout=0.1)

    hold.let_go()

    assert hold.over.wait(SECONDS)
    assert upstream.asked == ["GET /held"]


def test_only_the_chosen_occurrence_is_held(
    proxy: PausingProxy, client: httpx.Client, aside: ThreadPoolExecutor
) -> None:
    seen: list[str] = []

    def second(message: Message) -> bool:
        seen.append(message.target)
        return len(seen) == 2

    hold = proxy.trap(second, Moment.BEFORE)
    assert client.get("/first").text == "GET /first "
    answer = sent(client, aside, hold, "/second")
    assert client.get("/third").text == "GET /third "
    hold.let_go()
    assert answer.result(SECONDS).text == "GET /second "


def test_a_trap_holds_one_request_only(proxy: PausingProxy, client: httpx.Client, aside: ThreadPoolExecutor) -> None:
    hold = proxy.trap(to("/held"), Moment.BEFORE)
    answer = sent(client, aside, hold, "/held")

    assert client.get("/held").text == "GET /held "

    hold.let_go()
    answer.result(SECONDS)


def test_a_trap_that_was_taken_back_holds_nothing(proxy: PausingProxy, client: httpx.Client) -> None:
    proxy.trap(to("/held"), Moment.BEFORE)
    proxy.forget()
    assert client.get("/held").text == "GET /held "


def test_what_passed_is_remembered_in_order_until_it_is_forgotten(proxy: PausingProxy, client: httpx.Client) -> None:
    client.get("/one")
    client.post("/two")
    assert [f"{one.message.method} {one.message.target}" for one in proxy.passed()] == ["GET /one", "POST /two"]
    proxy.forget()
    assert proxy.passed() == ()


def test_a_proxy_is_busy_while_it_holds_a_request(
    proxy: PausingProxy, client: httpx.Client, aside: ThreadPoolExecutor
) -> None:
    hold = proxy.trap(to("/held"), Moment.BEFORE)
    answer = sent(client, aside, hold, "/held")

    assert proxy.busy

    hold.let_go()
    answer.result(SECONDS)
    assert hold.over.wait(SECONDS)
    assert not proxy.busy


def test_a_login_is_not_in_what_a_message_shows_of_itself(proxy: PausingProxy, client: httpx.Client) -> None:
    client.post("/in", headers={"x-vault-token": "hvs.secret"}, content="another-secret")
    assert "secret" not in repr(proxy.passed())


def test_a_server_that_is_not_there_ends_the_clients_connection() -> None:
    with (
        PausingProxy(f"http://127.0.0.1:{unused_port()}") as proxy,
        httpx.Client(base_url=proxy.url, trust_env=False) as client,
        pytest.raises(httpx.RemoteProtocolError),
    ):
        client.get("/")


def test_closing_cuts_what_is_held_and_leaves_no_thread(upstream: Upstream, aside: ThreadPoolExecutor) -> None:
    aside.submit(int).result()
    before = active_count()
    with PausingProxy(upstream.url) as proxy, httpx.Client(base_url=proxy.url, trust_env=False) as client:
        hold = proxy.trap(to("/held"), Moment.BEFORE)
        answer = sent(client, aside, hold, "/held")
        proxy.close()
        with pytest.raises(httpx.TransportError):
            answer.result(SECONDS)
    assert active_count() <= before + 1

"""The official clients of OpenAI, Anthropic and Ollama send and read at the same endpoint what we send and read."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from typing import Any

import anthropic
import ollama
import openai
import pytest

from app.connectors._protocol import ChatMessage, ImagePart, Reply, Sampling, TextPart
from app.errors import ConnectorError
from tests.endpoint import CANARY, Behaviour, Endpoint, Request, asked, question, saying, sse, streaming
from tests.test_connector_protocols import (
    ANTHROPIC,
    ANTHROPIC_STREAM,
    DATA_URL,
    OLLAMA,
    OPENAI,
    PNG,
    STREAM,
    USAGE,
    chunk,
    ndjson,
)  # fmt: skip

MESSAGES = (ChatMessage("user", (TextPart("What is this?"), ImagePart("image/png", PNG))),)
OPENAI_MESSAGES = [
    {"role": "system", "content": "Be brief."},
    {
        "role": "user",
        "content": [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": DATA_URL}}],
    },
]
SAMPLING = Sampling(system="Be brief.", temperature=0.5, top_p=0.9, max_tokens=32, seed=7)


def both(
    connector: str,
    behave: Behaviour,
    official: Callable[[str], Awaitable[Any]],
    sampling: Sampling = SAMPLING,
    **settings: object,
) -> tuple[Reply, Any, Request, Request]:
    """Our answer and theirs, our request and theirs."""

    async def run() -> tuple[Reply, Any, Request, Request]:
        async with Endpoint(behave) as endpoint:
            base = endpoint.url + ("/v1" if connector == "openai_compatible" else "")
            ask = question({"base_url": base, **settings}, messages=MESSAGES, sampling=sampling)
            ours = await asked(connector, ask, [endpoint.authority])
            theirs = await official(base)
            return ours, theirs, *endpoint.requests

    return asyncio.run(run())


def openai_client(url: str) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(api_key=CANARY, base_url=url, max_retries=0)


def anthropic_client(url: str) -> anthropic.AsyncAnthropic:
    return anthropic.AsyncAnthropic(api_key=CANARY, base_url=url, max_retries=0)


def openai_chat(*, stream: bool) -> Callable[[str], Awaitable[Any]]:
    async def official(url: str) -> Any:
        async with openai_client(url) as client:
            wanted: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
            found = await client.chat.completions.create(
                model="m-1",
                messages=OPENAI_MESSAGES,  # type: ignore[arg-type]
                temperature=0.5,
                top_p=0.9,
                max_tokens=32,
                seed=7,
                **wanted,
            )
            return [piece async for piece in found] if stream else found

    return official


def test_openai_asks_for_a_whole_answer_as_we_do_and_reads_the_same() -> None:
    ours, theirs, our_request, their_request = both(
        "openai_compatible", saying(OPENAI), openai_chat(stream=False), stream=False
    )
    assert our_request.json == their_request.json
    assert our_request.path == their_request.path
    assert our_request.headers["authorization"] == their_request.headers["authorization"]
    assert ours.text == theirs.choices[0].message.content
    assert ours.finish == theirs.choices[0].finish_reason
    assert (ours.input_tokens, ours.output_tokens) == (theirs.usage.prompt_tokens, theirs.usage.completion_tokens)
    assert ours.model_said == theirs.model


@pytest.mark.parametrize(
    "behave",
    [
        pytest.param(streaming(*STREAM), id="plain"),
        pytest.param(streaming(*"".join(STREAM).replace("\n", "\r\n")), id="crlf"),
        pytest.param(streaming(": ping\n\n", *STREAM), id="comments"),
        pytest.param(streaming(*sse(chunk("naïve 🌧"), chunk(finish="length"), USAGE, "[DONE]")), id="length"),
    ],
)
def test_openai_reads_a_stream_as_we_do(behave: Behaviour) -> None:
    ours, theirs, our_request, their_request = both("openai_compatible", behave, openai_chat(stream=True))
    assert our_request.json == their_request.json
    choices = [piece.choices[0] for piece in theirs if piece.choices]
    assert ours.text == "".join(choice.delta.content or "" for choice in choices)
    assert [ours.finish] == [choice.finish_reason for choice in choices if choice.finish_reason]
    usage = theirs[-1].usage
    assert (ours.input_tokens, ours.output_tokens) == (usage.prompt_tokens, usage.completion_tokens)


def test_openai_asks_for_a_picture_as_we_do() -> None:
    body = {"created": 1, "data": [{"b64_json": base64.b64encode(PNG).decode()}]}

    async def run() -> None:
        async with Endpoint(saying(body)) as endpoint:
            ask = question({"base_url": endpoint.url, "mode": "images", "extra": {"size": "256x256"}})
            ours = await asked("openai_compatible", ask, [endpoint.authority])
            async with openai_client(endpoint.url) as client:
                theirs = await client.images.generate(model="m-1", prompt="Why?", n=1, size="256x256")
            assert endpoint.requests[0].json == endpoint.requests[1].json
            assert endpoint.requests[0].path == endpoint.requests[1].path
            assert theirs.data is not None
            assert base64.b64decode(theirs.data[0].b64_json or "") == ours.images[0].data

    asyncio.run(run())


KINDS = {
    "AuthenticationError": "key",
    "PermissionDeniedError": "forbidden",
    "NotFoundError": "not_found",
    "RateLimitError": "rate",
    "InternalServerError": "server",
    "OverloadedError": "server",
    "ServiceUnavailableError": "server",
    "BadRequestError": "bad_answer",
    "UnprocessableEntityError": "bad_answer",
}


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 429, 500, 502, 503, 529])
@pytest.mark.parametrize("connector", ["openai_compatible", "anthropic"])
def test_the_official_clients_see_the_same_kind_of_refusal(connector: str, status: int) -> None:
    async def run() -> None:
        async with Endpoint(saying({"error": {"message": "No.", "type": "x"}}, f"{status} No")) as endpoint:
            ask = question({"base_url": endpoint.url})
            with pytest.raises(ConnectorError) as ours:
                await asked(connector, ask, [endpoint.authority])
            said: Any = [{"role": "user", "content": "Why?"}]
            with pytest.raises((openai.APIStatusError, anthropic.APIStatusError)) as theirs:
                if connector == "openai_compatible":
                    async with openai_client(endpoint.url) as client:
                        await client.chat.completions.create(model="m-1", messages=said)
                else:
                    async with anthropic_client(endpoint.url) as other:
                        await other.messages.create(model="m-1", messages=said, max_tokens=5)
            assert ours.value.kind == KINDS[type(theirs.value).__name__]

    asyncio.run(run())


def anthropic_message(*, stream: bool) -> Callable[[str], Awaitable[Any]]:
    source = {"type": "base64", "media_type": "image/png", "data": base64.b64encode(PNG).decode()}
    wanted: dict[str, Any] = {
        "model": "m-1",
        "max_tokens": 32,
        "system": "Be brief.",
        "messages": [
            {
                "role": "user",
                "content": [{"type": "text", "text": "What is this?"}, {"type": "image", "source": source}],
            }
        ],
    }

    async def official(url: str) -> Any:
        async with anthropic_client(url) as client:
            if not stream:
                return await client.messages.create(**wanted)
            async with client.messages.stream(**wanted) as events:
                return await events.get_final_message()

    return official


@pytest.mark.parametrize("stream", [True, False])
def test_anthropic_sends_and_reads_what_we_do(stream: bool) -> None:
    whole = ANTHROPIC | {"id": "m", "role": "assistant", "stop_sequence": None}
    events = [_with_ids(event) for event in ANTHROPIC_STREAM if "something_new" not in event]
    behave = streaming(*events) if stream else saying(whole)
    official, sampling = anthropic_message(stream=stream), Sampling(system="Be brief.", max_tokens=32)
    ours, theirs, our_request, their_request = both("anthropic", behave, official, sampling=sampling, stream=stream)
    assert our_request.json == their_request.json
    assert our_request.path == their_request.path
    for name in ("authorization", "anthropic-version"):
        assert our_request.headers[name] == their_request.headers[name]
    assert ours.text == "".join(block.text for block in theirs.content if block.type == "text")
    assert (ours.finish, theirs.stop_reason) == ("stop", "end_turn")
    assert ours.output_tokens == theirs.usage.output_tokens
    assert ours.model_said == theirs.model


def _with_ids(event: str) -> str:
    """The same event with what Anthropic's types ask for beside what we need."""
    kind, data = event.strip().split("\n")
    value = json.loads(data.removeprefix("data: "))
    if value["type"] == "message_start":
        value["message"] |= {"id": "m", "type": "message", "role": "assistant", "stop_reason": None}
    return f"{kind}\ndata: {json.dumps(value)}\n\n"


def test_ollama_sends_and_reads_what_we_do() -> None:
    async def official(url: str) -> Any:
        client = ollama.AsyncClient(host=url)
        found = await client.chat(
            model="m-1",
            messages=[
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "What is this?", "images": [PNG]},
            ],
            options={"temperature": 0.5, "top_p": 0.9, "num_predict": 32, "seed": 7},
            stream=True,
        )
        pieces = [piece async for piece in found]
        await client._client.aclose()
        return pieces

    behave = streaming(*ndjson(*OLLAMA), content_type="application/x-ndjson")
    ours, theirs, our_request, their_request = both("ollama", behave, official)
    sent = their_request.json
    assert our_request.json == {key: value for key, value in sent.items() if value not in ([], None)}
    assert our_request.path == their_request.path
    assert ours.text == "".join(piece.message.content or "" for piece in theirs)
    assert ours.finish == theirs[-1].done_reason
    assert (ours.input_tokens, ours.output_tokens) == (theirs[-1].prompt_eval_count, theirs[-1].eval_count)

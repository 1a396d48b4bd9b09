"""`PYTHON clients.py CLIENT URL`: as clients.mjs, for the libraries of Python. It needs nothing of this repository, since
PYTHON is one that has those libraries."""

from __future__ import annotations

import asyncio
import json
import sys
import traceback
from collections.abc import Callable
from typing import Any

CLIENT, URL = sys.argv[1:3]
V1 = f"{URL}/v1"
SAY: Any = [{"role": "user", "content": "hi"}]
said: list[str] = []


def openai_sdk() -> Any:
    import openai

    return openai.OpenAI(base_url=V1, api_key="k", max_retries=0)


def openai_chat() -> None:
    for chunk in openai_sdk().chat.completions.create(model="m", messages=SAY, stream=True):
        said.extend(choice.delta.content or "" for choice in chunk.choices)


def openai_chat_helper() -> None:
    with openai_sdk().chat.completions.stream(model="m", messages=SAY) as stream:
        for event in stream:
            if event.type == "content.delta":
                said.append(event.delta)


def openai_responses() -> None:
    for event in openai_sdk().responses.create(model="m", input="hi", stream=True):
        if event.type == "response.output_text.delta":
            said.append(event.delta)


def openai_responses_helper() -> None:
    with openai_sdk().responses.stream(model="m", input="hi") as stream:
        for event in stream:
            if event.type == "response.output_text.delta":
                said.append(event.delta)


def anthropic_messages() -> None:
    import anthropic

    sdk = anthropic.Anthropic(base_url=URL, api_key="k", max_retries=0)
    with sdk.messages.stream(model="m", max_tokens=50, messages=SAY) as stream:
        said.extend(stream.text_stream)


def langchain(model: Any) -> None:
    for chunk in model.stream("hi"):
        said.append(str(chunk.text() if callable(chunk.text) else chunk.text))


def langchain_chat() -> None:
    from langchain_openai import ChatOpenAI

    langchain(ChatOpenAI(model="m", base_url=V1, api_key="k", max_retries=0))


def langchain_responses() -> None:
    from langchain_openai import ChatOpenAI

    langchain(ChatOpenAI(model="m", base_url=V1, api_key="k", max_retries=0, use_responses_api=True))


def langchain_messages() -> None:
    from langchain_anthropic import ChatAnthropic

    langchain(ChatAnthropic(model="m", base_url=URL, api_key="k", max_retries=0))


def agents(kind: str) -> Callable[[], None]:
    async def main() -> None:
        import openai

        import agents as sdk

        sdk.set_tracing_disabled(True)
        client = openai.AsyncOpenAI(base_url=V1, api_key="k", max_retries=0)
        model = getattr(sdk, kind)(model="m", openai_client=client)
        result = sdk.Runner.run_streamed(sdk.Agent(name="a", model=model), "hi")
        async for event in result.stream_events():
            if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
                said.append(event.data.delta)

    return lambda: asyncio.run(main())


def pydantic(make: Callable[[], Any]) -> Callable[[], None]:
    async def main() -> None:
        from pydantic_ai import Agent

        async with Agent(make()).run_stream("hi") as result:
            async for piece in result.stream_text(delta=True, debounce_by=None):
                said.append(piece)

    return lambda: asyncio.run(main())


def pydantic_openai(kind: str) -> Any:
    import pydantic_ai.models.openai as models
    from openai import AsyncOpenAI
    from pydantic_ai.providers.openai import OpenAIProvider

    client = AsyncOpenAI(base_url=V1, api_key="k", max_retries=0)
    return getattr(models, kind)("m", provider=OpenAIProvider(openai_client=client))


def pydantic_anthropic() -> Any:
    from anthropic import AsyncAnthropic
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.providers.anthropic import AnthropicProvider

    client = AsyncAnthropic(base_url=URL, api_key="k", max_retries=0)
    return AnthropicModel("m", provider=AnthropicProvider(anthropic_client=client))


def litellm(model: str, base: str) -> Callable[[], None]:
    def main() -> None:
        import litellm as library

        stream = library.completion(
            model=model, api_base=base, api_key="k", messages=SAY, stream=True, num_retries=0
        )
        said.extend(chunk.choices[0].delta.content or "" for chunk in stream)

    return main


CLIENTS: dict[str, Callable[[], None]] = {
    "openai-chat": openai_chat,
    "openai-chat-helper": openai_chat_helper,
    "openai-responses": openai_responses,
    "openai-responses-helper": openai_responses_helper,
    "anthropic-messages": anthropic_messages,
    "langchain-chat": langchain_chat,
    "langchain-responses": langchain_responses,
    "langchain-messages": langchain_messages,
    "agents-chat": agents("OpenAIChatCompletionsModel"),
    "agents-responses": agents("OpenAIResponsesModel"),
    "pydantic-chat": pydantic(lambda: pydantic_openai("OpenAIChatModel")),
    "pydantic-responses": pydantic(lambda: pydantic_openai("OpenAIResponsesModel")),
    "pydantic-messages": pydantic(pydantic_anthropic),
    "litellm-chat": litellm("openai/m", V1),
    "litellm-messages": litellm("anthropic/m", URL),
}

raised = ""
try:
    CLIENTS[CLIENT]()
except ModuleNotFoundError as error:
    raised = f"NOT INSTALLED: {error}"
except Exception as error:
    traceback.print_exc()
    raised = str(error) or type(error).__name__
print(json.dumps({"text": "".join(said), "raised": raised}))

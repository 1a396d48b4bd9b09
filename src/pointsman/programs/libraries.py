"""Libraries and commands: what people write programs with. Each snippet that `runs` is run by tests as it is shown."""

from __future__ import annotations

from .program import Program, ProgramKind, SettingsFile, Snippet, Writing

_RUN = "Run it."

OPENAI_PYTHON = Program(
    name="openai-python",
    title="OpenAI SDK, Python",
    kind=ProgramKind.LIBRARY,
    agents=("openai-python",),
    first=_RUN,
    source="[openai 3.58; run]",
    snippets=(
        Snippet(
            "pip install openai",
            Writing.PYTHON,
            """\
from openai import OpenAI

client = OpenAI(base_url=<<{v1}>>, api_key=<<{key}>>)
answer = client.chat.completions.create(
    model=<<{model}>>, messages=[{"role": "user", "content": "Hello"}]
)
print(answer.choices[0].message.content)""",
            runs=True,
        ),
        Snippet(
            "Or without a line of code changed",
            Writing.SH,
            """\
export OPENAI_BASE_URL=<<{v1}>>
export OPENAI_API_KEY=<<{key}>>""",
        ),
    ),
)

OPENAI_TYPESCRIPT = Program(
    name="openai-typescript",
    title="OpenAI SDK, TypeScript",
    kind=ProgramKind.LIBRARY,
    agents=("openai-js",),
    first=_RUN,
    source="[openai for Node; run]",
    snippets=(
        Snippet(
            "npm install openai",
            Writing.TYPESCRIPT,
            """\
import OpenAI from 'openai';

const client = new OpenAI({ baseURL: <<{v1}>>, apiKey: <<{key}>> });
const answer = await client.chat.completions.create({
  model: <<{model}>>,
  messages: [{ role: 'user', content: 'Hello' }],
});
console.log(answer.choices[0].message.content);""",
            runs=True,
        ),
    ),
)

ANTHROPIC_PYTHON = Program(
    name="anthropic-python",
    title="Anthropic SDK, Python",
    kind=ProgramKind.LIBRARY,
    agents=("anthropic-python",),
    first=_RUN,
    source="[anthropic 2.14; run]",
    snippets=(
        Snippet(
            "pip install anthropic",
            Writing.PYTHON,
            """\
from anthropic import Anthropic

client = Anthropic(base_url=<<{url}>>, api_key=<<{key}>>)
answer = client.messages.create(
    model=<<{model}>>, max_tokens=1000, messages=[{"role": "user", "content": "Hello"}]
)
print(next(part.text for part in answer.content if part.type == "text"))""",
            runs=True,
        ),
        Snippet(
            "Or without a line of code changed",
            Writing.SH,
            """\
export ANTHROPIC_BASE_URL=<<{url}>>
export ANTHROPIC_API_KEY=<<{key}>>""",
        ),
    ),
    notes=("The address has no /v1.",),
)

ANTHROPIC_TYPESCRIPT = Program(
    name="anthropic-typescript",
    title="Anthropic SDK, TypeScript",
    kind=ProgramKind.LIBRARY,
    agents=("anthropic-js",),
    first=_RUN,
    source="[@anthropic-ai/sdk; run]",
    snippets=(
        Snippet(
            "npm install @anthropic-ai/sdk",
            Writing.TYPESCRIPT,
            """\
import Anthropic from '@anthropic-ai/sdk';

const client = new Anthropic({ baseURL: <<{url}>>, apiKey: <<{key}>> });
const answer = await client.messages.create({
  model: <<{model}>>,
  max_tokens: 1000,
  messages: [{ role: 'user', content: 'Hello' }],
});
for (const part of answer.content) if (part.type === 'text') console.log(part.text);""",
            runs=True,
        ),
    ),
    notes=("The address has no /v1.",),
)

LANGCHAIN = Program(
    name="langchain",
    title="LangChain",
    kind=ProgramKind.LIBRARY,
    agents=("openai-python", "langchain*", "openai-js"),
    first=_RUN,
    source="[langchain-openai, langchain-anthropic, @langchain/openai; run]",
    snippets=(
        Snippet(
            "pip install langchain-openai",
            Writing.PYTHON,
            """\
from langchain_openai import ChatOpenAI

model = ChatOpenAI(model=<<{model}>>, base_url=<<{v1}>>, api_key=<<{key}>>)
print(model.invoke("Hello").text)""",
            runs=True,
        ),
        Snippet(
            "pip install langchain-anthropic",
            Writing.PYTHON,
            """\
from langchain_anthropic import ChatAnthropic

model = ChatAnthropic(model=<<{model}>>, base_url=<<{url}>>, api_key=<<{key}>>)
print(model.invoke("Hello").text)""",
            runs=True,
        ),
        Snippet(
            "npm install @langchain/openai",
            Writing.TYPESCRIPT,
            """\
import { ChatOpenAI } from '@langchain/openai';

const model = new ChatOpenAI({
  model: <<{model}>>,
  apiKey: <<{key}>>,
  configuration: { baseURL: <<{v1}>> },
});
console.log((await model.invoke('Hello')).content);""",
            runs=True,
        ),
    ),
)

VERCEL = Program(
    name="ai-sdk",
    title="Vercel AI SDK",
    kind=ProgramKind.LIBRARY,
    agents=("ai*",),
    first=_RUN,
    source="[ai 7; run]",
    snippets=(
        Snippet(
            "npm install ai @ai-sdk/openai-compatible",
            Writing.TYPESCRIPT,
            """\
import { generateText } from 'ai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';

const pointsman = createOpenAICompatible({ name: 'pointsman', baseURL: <<{v1}>>, apiKey: <<{key}>> });
const { text } = await generateText({ model: pointsman(<<{model}>>), prompt: 'Hello' });
console.log(text);""",
            runs=True,
        ),
    ),
    notes=("@ai-sdk/anthropic wants the same address, with /v1.",),
)

CURL = Program(
    name="curl",
    title="curl",
    kind=ProgramKind.COMMAND,
    agents=("curl",),
    first=_RUN,
    source="[docs/protocols; run]",
    snippets=(
        Snippet(
            "Chat Completions",
            Writing.SH,
            """\
curl <<{v1}/chat/completions>> \\
[socket]   --unix-socket <<{socket}>> \\
[key]   -H <<authorization: Bearer {key}>> \\
  -H 'content-type: application/json' \\
  -d <<{{"model": {model_json}, "messages": [{{"role": "user", "content": "Hello"}}]}}>>""",
            runs=True,
        ),
        Snippet(
            "Responses",
            Writing.SH,
            """\
curl <<{v1}/responses>> \\
[socket]   --unix-socket <<{socket}>> \\
[key]   -H <<authorization: Bearer {key}>> \\
  -H 'content-type: application/json' \\
  -d <<{{"model": {model_json}, "input": "Hello"}}>>""",
            runs=True,
        ),
        Snippet(
            "Messages",
            Writing.SH,
            """\
curl <<{v1}/messages>> \\
[socket]   --unix-socket <<{socket}>> \\
[key]   -H <<x-api-key: {key}>> \\
  -H 'anthropic-version: 2023-06-01' -H 'content-type: application/json' \\
  -d <<{{"model": {model_json}, "max_tokens": 1000, "messages": [{{"role": "user", "content": "Hello"}}]}}>>""",
            runs=True,
        ),
    ),
)

OLLAMA = Program(
    name="ollama",
    title="Clients of Ollama",
    kind=ProgramKind.COMMAND,
    agents=("ollama*",),
    first=_RUN,
    source="[docs/protocols/ollama.md; run]",
    snippets=(
        Snippet(
            "The command, and all that reads its variables",
            Writing.SH,
            """\
export OLLAMA_HOST=<<{url}>>
[key] export OLLAMA_API_KEY=<<{key}>>
ollama run <<{model}>> Hello""",
        ),
        Snippet(
            "pip install ollama",
            Writing.PYTHON,
            """\
from ollama import Client

client = Client(
    host=<<{url}>>,
[key]     headers={"authorization": <<Bearer {key}>>},
)
answer = client.chat(model=<<{model}>>, messages=[{"role": "user", "content": "Hello"}])
print(answer.message.content)""",
            runs=True,
        ),
    ),
    notes=(
        "The gateway speaks Ollama's own API for programs that know nothing else; its pull and push are Ollama's own.",
    ),
)

_LLM_FOLDER = "~/.config/io.datasette.llm"
_LLM_MAC = "~/Library/Application Support/io.datasette.llm"
_LLM_MODELS = SettingsFile(
    f"{_LLM_FOLDER}/extra-openai-models.yaml",
    variable="LLM_USER_PATH",
    mac=f"{_LLM_MAC}/extra-openai-models.yaml",
    rows="model_id",
)
_LLM_KEYS = SettingsFile(f"{_LLM_FOLDER}/keys.json", variable="LLM_USER_PATH", mac=f"{_LLM_MAC}/keys.json")

LLM = Program(
    name="llm",
    title="llm",
    kind=ProgramKind.COMMAND,
    agents=("openai-python",),
    first="Ask it anything: llm -m MODEL Hello",
    source="[llm docs, OpenAI-compatible models; its source, openai_models.py: without api_key_name no key is sent; run with"
    " 0.36]",
    snippets=(
        Snippet(
            "extra-openai-models.yaml in the folder of: llm logs path",
            Writing.YAML,
            """\
- model_id: <<{model}>>
  model_name: <<{model}>>
  api_base: <<{v1}>>
  api_key_name: pointsman""",
            file=_LLM_MODELS,
        ),
        Snippet(
            "keys.json there (or: llm keys set pointsman)",
            Writing.JSON,
            """\
{
  "pointsman": <<{key}>>
}""",
            file=_LLM_KEYS,
        ),
        Snippet("Then", Writing.SH, "llm -m <<{model}>> Hello"),
    ),
    notes=("api_key_name is the name under which llm keys set stores a key; --key KEY goes before it.",),
)

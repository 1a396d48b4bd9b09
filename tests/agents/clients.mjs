// `node clients.mjs CLIENT URL`: one streamed request of a client library, told as JSON on the last line:
// {"text": what it got, "raised": its error's words, "" = it ended clean}. URL: the gateway's, without /v1.
const [client, url] = process.argv.slice(2)
const v1 = `${url}/v1`
const messages = [{ role: 'user', content: 'hi' }]
let text = ''

async function vercel (make) {
  const { streamText } = await import('ai')
  const result = streamText({ model: await make(), messages, maxRetries: 0, onError: () => {} })
  for await (const part of result.fullStream) {
    if (part.type === 'text-delta') text += part.text ?? part.textDelta
    if (part.type === 'error') throw part.error
  }
}

async function langchain (model) {
  for await (const chunk of await model.stream('hi')) text += chunk.text ?? chunk.content
}

const clients = {
  'openai-chat': async () => {
    const { default: OpenAI } = await import('openai')
    const sdk = new OpenAI({ baseURL: v1, apiKey: 'k', maxRetries: 0 })
    const stream = await sdk.chat.completions.create({ model: 'm', messages, stream: true })
    for await (const chunk of stream) text += chunk.choices[0]?.delta?.content ?? ''
  },
  'openai-chat-helper': async () => {
    const { default: OpenAI } = await import('openai')
    const sdk = new OpenAI({ baseURL: v1, apiKey: 'k', maxRetries: 0 })
    const stream = sdk.chat.completions.stream({ model: 'm', messages })
    stream.on('content', delta => { text += delta })
    await stream.finalChatCompletion()
  },
  'openai-responses': async () => {
    const { default: OpenAI } = await import('openai')
    const sdk = new OpenAI({ baseURL: v1, apiKey: 'k', maxRetries: 0 })
    const stream = await sdk.responses.create({ model: 'm', input: 'hi', stream: true })
    for await (const event of stream) if (event.type === 'response.output_text.delta') text += event.delta
  },
  'openai-responses-helper': async () => {
    const { default: OpenAI } = await import('openai')
    const sdk = new OpenAI({ baseURL: v1, apiKey: 'k', maxRetries: 0 })
    const stream = sdk.responses.stream({ model: 'm', input: 'hi' })
    for await (const event of stream) if (event.type === 'response.output_text.delta') text += event.delta
  },
  'anthropic-messages': async () => {
    const { default: Anthropic } = await import('@anthropic-ai/sdk')
    const sdk = new Anthropic({ baseURL: url, apiKey: 'k', maxRetries: 0 })
    const stream = await sdk.messages.create({ model: 'm', max_tokens: 50, messages, stream: true })
    for await (const event of stream) if (event.type === 'content_block_delta') text += event.delta.text ?? ''
  },
  'anthropic-messages-helper': async () => {
    const { default: Anthropic } = await import('@anthropic-ai/sdk')
    const sdk = new Anthropic({ baseURL: url, apiKey: 'k', maxRetries: 0 })
    const stream = sdk.messages.stream({ model: 'm', max_tokens: 50, messages })
    stream.on('text', delta => { text += delta })
    await stream.finalMessage()
  },
  'vercel-chat': () => vercel(async () =>
    (await import('@ai-sdk/openai')).createOpenAI({ baseURL: v1, apiKey: 'k' }).chat('m')),
  'vercel-compatible': () => vercel(async () =>
    (await import('@ai-sdk/openai-compatible')).createOpenAICompatible({ name: 'pm', baseURL: v1, apiKey: 'k' })('m')),
  'vercel-responses': () => vercel(async () =>
    (await import('@ai-sdk/openai')).createOpenAI({ baseURL: v1, apiKey: 'k' }).responses('m')),
  'vercel-messages': () => vercel(async () =>
    (await import('@ai-sdk/anthropic')).createAnthropic({ baseURL: v1, apiKey: 'k' })('m')),
  'langchain-chat': async () => {
    const { ChatOpenAI } = await import('@langchain/openai')
    await langchain(new ChatOpenAI({ model: 'm', apiKey: 'k', maxRetries: 0, configuration: { baseURL: v1 } }))
  },
  'langchain-responses': async () => {
    const { ChatOpenAI } = await import('@langchain/openai')
    const configuration = { baseURL: v1 }
    await langchain(new ChatOpenAI({ model: 'm', apiKey: 'k', maxRetries: 0, useResponsesApi: true, configuration }))
  },
  'langchain-messages': async () => {
    const { ChatAnthropic } = await import('@langchain/anthropic')
    await langchain(new ChatAnthropic({ model: 'm', apiKey: 'k', maxRetries: 0, anthropicApiUrl: url }))
  }
}

let raised = ''
try {
  await clients[client]()
} catch (error) {
  raised = error?.code === 'ERR_MODULE_NOT_FOUND' ? `NOT INSTALLED: ${error.message}` : `${error?.message ?? JSON.stringify(error)}` || 'an error'
  if (typeof error?.stack === 'string') console.error(error.stack)
}
console.log(JSON.stringify({ text, raised }))
process.exit(0)

import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent, type AgentOptions } from 'node:https'
import './without-sdk-advice.ts'
import { fromIni } from '@aws-sdk/credential-provider-ini'
import { HttpsProxyAgent } from 'https-proxy-agent'
import { proxyFor } from './proxy.ts'
import type { S3Place } from './s3-place.ts'
import { type StoreOptions, USUAL_CONCURRENCY } from './store-options.ts'
import { readTlsFiles } from './tls-files.ts'

interface KeyPair {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
}

/** What the SDK's client is made with. */
export type S3Config = Awaited<ReturnType<typeof clientConfig>>

/** How the SDK speaks to this place. */
export async function clientConfig({ endpoint, pathStyle }: S3Place, options: StoreOptions) {
  const { env } = process
  const maxSockets = options.concurrency ?? USUAL_CONCURRENCY
  const tls = { ...(await readTlsFiles(options)), keepAlive: true, maxSockets }
  return {
    endpoint,
    forcePathStyle: pathStyle,
    region: options.s3?.region || env['S3_REGION'] || env['AWS_REGION'] || regionOf(endpoint) || 'us-east-1',
    maxAttempts: 1,
    // Chunks carry their own digest; other vendors' servers do not all know the newer checksums.
    requestChecksumCalculation: 'WHEN_REQUIRED' as const,
    responseChecksumValidation: 'WHEN_REQUIRED' as const,
    requestHandler: {
      connectionTimeout: 10_000,
      ...agentsFor(new URL(endpoint), tls)
    },
    ...credentials(options)
  }
}

/** Through the proxy of the environment, where there is one: TLS stays between us and the server. */
function agentsFor(endpoint: URL, tls: AgentOptions): { httpsAgent: HttpsAgent } | { httpAgent: HttpAgent } {
  const proxy = proxyFor(endpoint)
  const secure = endpoint.protocol === 'https:'
  if (proxy !== undefined) {
    const agent = new HttpsProxyAgent(proxy, tls as object)
    return secure ? { httpsAgent: agent } : { httpAgent: agent }
  }
  const { keepAlive, maxSockets } = tls
  return secure ? { httpsAgent: new HttpsAgent(tls) } : { httpAgent: new HttpAgent({ keepAlive, maxSockets }) }
}

/** desync's order: S3_* of the environment, then AWS_*, then the configuration; what is left is the SDK's own chain. */
function credentials({ s3 }: StoreOptions): { credentials?: KeyPair | ReturnType<typeof fromIni> } {
  const { env } = process
  const pairs = [
    [env['S3_ACCESS_KEY'], env['S3_SECRET_KEY'], env['S3_SESSION_TOKEN']],
    [env['AWS_ACCESS_KEY_ID'], env['AWS_SECRET_ACCESS_KEY'], env['AWS_SESSION_TOKEN']],
    [s3?.accessKey, s3?.secretKey, s3?.sessionToken]
  ]
  for (const [accessKeyId, secretAccessKey, sessionToken] of pairs) {
    if (!accessKeyId || !secretAccessKey) continue
    return { credentials: { accessKeyId, secretAccessKey, ...(sessionToken ? { sessionToken } : {}) } }
  }
  if (s3?.credentialsFile === undefined && s3?.profile === undefined) return {}
  const { credentialsFile: filepath, profile } = s3
  return { credentials: fromIni({ ...(filepath && { filepath }), ...(profile && { profile }) }) }
}

function regionOf(endpoint: string): string | undefined {
  return /\bs3[.-]([a-z0-9-]+)\.amazonaws\.com/.exec(endpoint)?.[1]
}

/**
 * Requests at once where nobody says otherwise. A store that is 20 ms away delivers a chunk per request and round trip,
 * so that this many hide what ten do not; none is opened before it is needed.
 */
export const USUAL_CONCURRENCY = 32

/** How one store is spoken to. Every field means what desync's store option of that name means; times in milliseconds. */
export interface StoreOptions {
  /** Requests at once. Default: 32. */
  concurrency?: number | undefined
  /** Attempts in all. Default: 3. */
  errorRetry?: number | undefined
  /** Pause before the second attempt, growing. Default: 500. */
  errorRetryBaseInterval?: number | undefined
  /** How long one request may take; 0 for any time. Default: 60 000. */
  timeout?: number | undefined
  /** Accept any certificate. */
  trustInsecure?: boolean | undefined
  /** File with the certificates to trust instead of the system's. */
  caCert?: string | undefined
  clientCert?: string | undefined
  clientKey?: string | undefined
  /** Value of the Authorization header. */
  httpAuth?: string | undefined
  /** Value of the Cookie header. */
  httpCookie?: string | undefined
  /** The store keeps plain chunks. */
  uncompressed?: boolean | undefined
  /** desync's wish to leave digests unchecked. Understood, and without effect: every chunk is checked before anyone sees it. */
  skipVerify?: boolean | undefined
  s3?: S3Credentials | undefined
  /** Told what a user may want to know although the work goes on: a store left, a cache that cannot be written. */
  onNotice?: OnNotice | undefined
}

/** Where an S3 store's credentials come from, when not from the environment. */
export interface S3Credentials {
  accessKey?: string | undefined
  secretKey?: string | undefined
  sessionToken?: string | undefined
  credentialsFile?: string | undefined
  profile?: string | undefined
  region?: string | undefined
}

/** Called synchronously; must not throw. `reason` is what happened, for whoever wants to pick among notices. */
export type OnNotice = (message: string, reason: unknown) => void

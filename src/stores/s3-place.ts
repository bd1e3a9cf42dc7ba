import { isIP } from 'node:net'
import { LocationError } from '../errors.ts'
import type { Location } from './location.ts'

/** Where `s3+https://host/bucket/prefix?lookup=…` leads. */
export interface S3Place {
  readonly name: string
  readonly endpoint: string
  readonly bucket: string
  /** Empty, or ending in a slash. */
  readonly prefix: string
  /** The bucket is part of the path, not of the host name. */
  readonly pathStyle: boolean
}

/** Reads an S3 location; throws LocationError. */
export function s3Place(location: Location): S3Place {
  if (location.kind !== 'url') throw new LocationError(location.shown, 'is not an S3 URL')
  const { scheme, shown, url } = location
  const [bucket, ...prefix] = url.pathname
    .split('/')
    .filter((part) => part !== '')
    .map(decodeURIComponent)
  if (bucket === undefined) throw new LocationError(shown, 'names no bucket (s3+https://HOST/BUCKET/PREFIX)')
  const lookup = url.searchParams.get('lookup') ?? 'auto'
  if (!['auto', 'dns', 'path'].includes(lookup))
    throw new LocationError(shown, `lookup is auto, dns or path, not ${lookup}`)
  return {
    name: shown,
    endpoint: `${scheme.slice('s3+'.length)}://${url.host}`,
    bucket,
    prefix: prefix.map((part) => `${part}/`).join(''),
    pathStyle:
      lookup === 'path' || (lookup === 'auto' && !url.hostname.endsWith('.amazonaws.com')) || isIP(url.hostname) !== 0
  }
}

import { OptionError } from '../../errors.ts'
import { parseLocation } from '../../stores/location.ts'
import { command, UsageError } from '../command.ts'
import { notice } from '../notices.ts'
import { connection } from '../opening.ts'
import { oneStoreOption, remoteOptions } from '../store-options.ts'

export default command({
  name: 'upgrade',
  usage: '',
  summary: 'move the chunks of an old S3 store to where they are looked for now',
  details: `For stores that desync wrote before its version 0.4, with all chunks in one place. A chunk leaves its old place only once
it is in its new one, so that it may be interrupted and begun again.`,
  example: ['cairn upgrade -s s3+https://s3.example/bucket/chunks'],
  options: { ...oneStoreOption, ...remoteOptions },
  async run(invocation) {
    const { values, signal } = invocation
    if (values.store === undefined) throw new UsageError("required option '-s, --store <location>' not specified")
    const location = parseLocation(values.store)
    if (location.kind !== 'url' || !location.scheme.startsWith('s3+')) {
      throw new OptionError('--store', `${location.shown} is no S3 store`)
    }
    const { S3Bucket } = await import('../../stores/s3-bucket.ts')
    const { s3Place } = await import('../../stores/s3-place.ts')
    const { upgradeS3Layout } = await import('../../stores/s3.ts')
    const { configured, ...given } = await connection(invocation)
    const chosen = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
    await using bucket = await S3Bucket.open(s3Place(location), { ...configured?.(location.text), ...chosen })
    const moved = await upgradeS3Layout(bucket, { signal })
    notice(invocation, `${moved} chunks moved`)
  }
})

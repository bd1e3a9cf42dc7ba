import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { findCommand } from '../../support/needs.ts'
import { freePort, listening, type Running } from './running.ts'

const run = promisify(execFile)

/** A real S3 server over a directory, which checks signatures. */
export interface S3Server extends AsyncDisposable {
  /** `s3+http://127.0.0.1:PORT`; buckets are made with `bucket`. */
  readonly url: string
  readonly server: Running
  /** The directory that its objects are files of. */
  readonly directory: string
  bucket(name: string): Promise<string>
}

export const S3_ACCESS_KEY = 'test-access'
export const S3_SECRET_KEY = 'very/secret+key'
export const S3_REGION = 'eu-test-1'

const MODULE = 'github.com/versity/versitygw/cmd/versitygw@latest'
const CACHE = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'cairnfs-tests')
const BUILT = join(CACHE, 'versitygw')

/** Why there can be no S3 server here; empty where there can. */
export function withoutS3(): string[] {
  if (findCommand('versitygw') !== undefined || existsSync(BUILT) || goCommand() !== undefined) return []
  return ['needs the command versitygw, or go to build it']
}

/** Starts one over `scratch`; builds it first where it is not there, for this and later runs. */
export async function startS3(scratch: string, { keepAlive = true } = {}): Promise<S3Server> {
  const program = findCommand('versitygw') ?? (await built())
  const port = await freePort()
  const directory = join(scratch, 'buckets')
  const sidecar = join(scratch, 'metadata')
  await mkdir(directory)
  await mkdir(sidecar)
  const argv = ['--port', `127.0.0.1:${port}`, '--region', S3_REGION, '--quiet', ...(keepAlive ? ['--keep-alive'] : [])]
  const server = await listening(port, program, [...argv, 'posix', '--sidecar', sidecar, directory], {
    ROOT_ACCESS_KEY: S3_ACCESS_KEY,
    ROOT_SECRET_KEY: S3_SECRET_KEY
  })
  const url = `s3+http://127.0.0.1:${port}`
  return {
    url,
    server,
    directory,
    async bucket(name) {
      await mkdir(join(directory, name))
      return `${url}/${name}`
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]()
  }
}

async function built(): Promise<string> {
  if (existsSync(BUILT)) return BUILT
  await mkdir(CACHE, { recursive: true })
  // Several test files may build at once; whoever is last puts the same program in place.
  const folder = await mkdtemp(join(CACHE, 'building-'))
  try {
    await run(goCommand()!, ['install', MODULE], { env: { ...process.env, GOBIN: folder } })
    await rename(join(folder, 'versitygw'), BUILT)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  return BUILT
}

function goCommand(): string | undefined {
  return findCommand('go') ?? ['/usr/local/go/bin/go'].find((path) => existsSync(path))
}

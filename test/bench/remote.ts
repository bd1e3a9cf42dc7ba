import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort, listening, type Running } from '../interop/servers/running.ts'
import { findCommand } from '../support/needs.ts'
import type { Case } from './cases.ts'
import { distant } from './distant.ts'
import { load } from './load.ts'
import type { Material } from './material.ts'
import { type Cost, dropCaches, measure, peakMemory, run } from './measure.ts'
import { serving } from './mounts.ts'

const AWAY = 20

/** Backups behind HTTP: read near and far, and served. */
export function remoteCases(material: Material): Case[] {
  return [...readingCases(material), ...servingCases(material)]
}

function readingCases(material: Material): Case[] {
  const all = 'dd if=blob of=/dev/null bs=1M status=none'
  const beginning = 'dd if=blob of=/dev/null bs=1M count=32 status=none'
  const servers = { ...(findCommand('nginx') !== undefined && { nginx }), 'cairn serve': cairnServe }
  return Object.entries(servers).flatMap(([server, start]) => [
    readCase(material, `mounted from ${server}, the tar from start to end`, 3, start, 0, all),
    readCase(material, `mounted from ${server} ${AWAY} ms away, the first 32 MiB`, 8, start, AWAY, beginning)
  ])
}

function readCase(
  material: Material,
  name: string,
  goal: number,
  start: (material: Material) => Promise<Running>,
  away: number,
  command: string
): Case {
  const { work, cairn, blob, has } = material
  const mountPoint = join(work, 'mnt')
  const through = (mount: (store: string) => string) => async () => {
    await using server = await start(material)
    await using wire = await distant(server.port, away)
    await dropCaches()
    const port = away === 0 ? server.port : wire.port
    await using mounted = await serving(mount(`http://127.0.0.1:${port}/`), mountPoint)
    const { seconds } = await measure(command, { cwd: mountPoint })
    return { seconds, memory: await mounted.memory() }
  }
  return {
    name,
    goals: { desync: goal },
    contenders: {
      cairn: through((store) => `${cairn} mount ${blob.index} ${mountPoint} -s ${store}`),
      desync: has('desync')
        ? through((store) => `desync mount-index -s ${store} ${blob.index} ${mountPoint}`)
        : undefined
    }
  }
}

function servingCases(material: Material): Case[] {
  const { cairn, blob, has } = material
  const serve = (start: (material: Material) => Promise<Running>, clients: number) => async (): Promise<Cost> => {
    const ids = (await run(`${cairn} list-chunks ${blob.index}`)).split('\n').filter((id) => id !== '')
    const paths = [...new Set(ids)].map((id) => `/${id.slice(0, 4)}/${id}.cacnk`)
    await using server = await start(material)
    await load(server.port, paths, clients)
    const seconds = await load(server.port, paths, clients)
    return { seconds, memory: await peakMemory(server.pid) }
  }
  return [1, 16, 32].map((clients) => ({
    name: `serve, every chunk of the tar to ${clients === 1 ? 'one client' : `${clients} clients`}`,
    goals: { desync: 1 },
    contenders: {
      cairn: serve(cairnServe, clients),
      desync: has('desync') ? serve(desyncServe, clients) : undefined
    }
  }))
}

async function cairnServe({ cairn, blob }: Material): Promise<Running> {
  const [node, program] = cairn.split(' ') as [string, string]
  const port = await freePort()
  return listening(port, node, [program, 'serve', '-l', `127.0.0.1:${port}`, '--chunks', blob.store])
}

async function desyncServe({ blob }: Material): Promise<Running> {
  const port = await freePort()
  return listening(port, findCommand('desync')!, ['chunk-server', '-s', blob.store, '-l', `127.0.0.1:${port}`])
}

/** As most people run it: a worker a core, and nothing compressed again. */
async function nginx({ work, blob }: Material): Promise<Running> {
  const port = await freePort()
  const config = join(work, 'nginx.conf')
  await writeFile(
    config,
    `daemon off; worker_processes auto; pid ${join(work, 'nginx.pid')}; error_log stderr warn;
${process.getuid?.() === 0 ? 'user root;' : ''}
events { worker_connections 1024; }
http {
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000;
  client_body_temp_path ${join(work, 'body')}; proxy_temp_path ${join(work, 'proxy')};
  fastcgi_temp_path ${join(work, 'fastcgi')}; uwsgi_temp_path ${join(work, 'uwsgi')}; scgi_temp_path ${join(work, 'scgi')};
  server { listen 127.0.0.1:${port}; root ${blob.store}; }
}
`
  )
  return listening(port, findCommand('nginx')!, ['-c', config, '-p', work])
}

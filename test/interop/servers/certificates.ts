import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Paths of PEM files: an authority of our own, a server it vouches for (127.0.0.1 and localhost), and a client. */
export interface Certificates {
  readonly ca: string
  readonly serverCert: string
  readonly serverKey: string
  readonly clientCert: string
  readonly clientKey: string
}

/** Makes them in `directory`, with the command openssl. */
export async function makeCertificates(directory: string): Promise<Certificates> {
  const at = (name: string) => join(directory, name)
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  await run('openssl', [
    ...['req', '-x509', ...curve, '-days', '2', '-subj', '/CN=test authority'],
    ...['-keyout', at('ca.key'), '-out', at('ca.pem')]
  ])
  for (const name of ['server', 'client']) {
    const extensions = at(`${name}.ext`)
    await writeFile(extensions, 'subjectAltName=IP:127.0.0.1,DNS:localhost\n')
    await run('openssl', [
      'req',
      ...curve,
      '-subj',
      `/CN=${name}`,
      '-keyout',
      at(`${name}.key`),
      '-out',
      at(`${name}.csr`)
    ])
    await run('openssl', [
      ...['x509', '-req', '-in', at(`${name}.csr`), '-days', '2', '-CAcreateserial', '-extfile', extensions],
      ...['-CA', at('ca.pem'), '-CAkey', at('ca.key'), '-out', at(`${name}.pem`)]
    ])
  }
  return {
    ca: at('ca.pem'),
    serverCert: at('server.pem'),
    serverKey: at('server.key'),
    clientCert: at('client.pem'),
    clientKey: at('client.key')
  }
}

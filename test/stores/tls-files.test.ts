import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { FileError, OptionError } from '../../src/errors.ts'
import { readTlsFiles } from '../../src/stores/tls-files.ts'
import { makeCertificates } from '../interop/servers/certificates.ts'
import { needing } from '../support/needs.ts'
import { scratch } from '../support/scratch.ts'

needing(test, 'openssl')(
  'what belongs together is asked for together, and checked before anybody is asked',
  async (t) => {
    const directory = await scratch(t)
    const { ca, serverCert, clientCert, clientKey } = await makeCertificates(directory)
    const nothing = join(directory, 'nothing.pem')
    await writeFile(nothing, 'no certificate')
    t.deepEqual(Object.keys(await readTlsFiles({ caCert: ca, clientCert, clientKey })), ['ca', 'cert', 'key'])
    const together = { instanceOf: OptionError, message: /needed together/ }
    await t.throwsAsync(readTlsFiles({ clientCert }), together)
    await t.throwsAsync(readTlsFiles({ clientKey }), together)
    const mixed = { clientCert: serverCert, clientKey }
    await t.throwsAsync(readTlsFiles(mixed), { instanceOf: OptionError, message: /not a certificate and its key/ })
    await t.throwsAsync(readTlsFiles({ caCert: nothing }), {
      instanceOf: OptionError,
      message: /nothing\.pem holds no/
    })
    await t.throwsAsync(readTlsFiles({ caCert: `${ca}.absent` }), { instanceOf: FileError })
  }
)

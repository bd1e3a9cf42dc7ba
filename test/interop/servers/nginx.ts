import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { findCommand } from '../../support/needs.ts'
import { type Certificates, makeCertificates } from './certificates.ts'
import { freePort, listening, type Running } from './running.ts'

/** nginx over a directory: plain, with TLS and HTTP/2, and with TLS that wants a client's certificate. */
export interface Nginx extends AsyncDisposable {
  /** `http://127.0.0.1:PORT`; below `/auth/` with user "reader" and password "s3cr3t p@ss". */
  readonly plain: string
  readonly tls: string
  readonly mutual: string
  readonly certificates: Certificates
  readonly server: Running
}

export const NGINX_USER = 'reader'
export const NGINX_PASSWORD = 's3cr3t p@ss'

/** Serves `root`; everything else it needs lives in `scratch`. */
export async function startNginx(root: string, scratch: string): Promise<Nginx> {
  const [plain, tls, mutual] = [await freePort(), await freePort(), await freePort()]
  const certificates = await makeCertificates(scratch)
  await writeFile(join(scratch, 'users'), `${NGINX_USER}:{PLAIN}${NGINX_PASSWORD}\n`)
  for (const name of ['body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'])
    await mkdir(join(scratch, name), { recursive: true })
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${join(scratch, name.replace('client_', ''))};`)
    .join('\n')
  const secured = `ssl_certificate ${certificates.serverCert}; ssl_certificate_key ${certificates.serverKey};`
  const config = join(scratch, 'nginx.conf')
  await writeFile(
    config,
    `daemon off; worker_processes 1; pid ${join(scratch, 'nginx.pid')}; error_log stderr warn;
${process.getuid?.() === 0 ? 'user root;' : ''}
events { worker_connections 4096; }
http {
  access_log off; ${temporary} root ${root};
  gzip on; gzip_types *; gzip_min_length 1;
  server {
    listen 127.0.0.1:${plain};
    location /auth/ { alias ${root}/; auth_basic "closed"; auth_basic_user_file ${join(scratch, 'users')}; }
    location /moved/ { rewrite ^/moved/(.*)$ /$1 redirect; }
    location /away/ { rewrite ^/away/(.*)$ https://127.0.0.1:${tls}/$1 redirect; }
    location /forbidden/ { return 403; }
    location /login/ { default_type text/html; return 200 "<html>Please log in</html>"; }
  }
  server { listen 127.0.0.1:${tls} ssl http2; ${secured} }
  server {
    listen 127.0.0.1:${mutual} ssl; ${secured}
    ssl_verify_client on; ssl_client_certificate ${certificates.ca};
  }
}
`
  )
  const server = await listening(plain, findCommand('nginx')!, ['-c', config, '-p', scratch])
  return {
    plain: `http://127.0.0.1:${plain}`,
    tls: `https://127.0.0.1:${tls}`,
    mutual: `https://127.0.0.1:${mutual}`,
    certificates,
    server,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]()
  }
}

const HIDDEN = '***'

// The password reaches to the last "@" of the authority; where what follows the colon is no port number, it may hold "/".
const USER_INFO = /([a-z][a-z0-9+.-]*:\/\/)([^\s/:@|]*):([^\s/@|]*(?:@[^\s/@|]*)*)@/gi
const ODD_USER_INFO = /([a-z][a-z0-9+.-]*:\/\/)([^\s/:@|]*):(?!\d+(?:[/?#]|$))([^\s|]*)@/gi
// A secret may have any name (`sig`, `key`, `se`): of the query of a URL only what we know stays.
const QUERY_VALUE = /(?<=:\/\/\S*[?&])(?!lookup=)([^=&\s|"']+=)[^&\s|"']*/g
const SECRET_PARAMETER =
  /([?&][^=&\s]*(?:secret|token|password|signature|credential|access-?key|auth)[^=&\s]*=)[^&\s|"']*/gi

/** The text with the password of every URL in it, and every query value but those of options that we know, made unreadable. */
export function redact(text: string): string {
  return text
    .replace(USER_INFO, `$1$2:${HIDDEN}@`)
    .replace(ODD_USER_INFO, (whole, scheme: string, user: string, password: string) =>
      password === HIDDEN ? whole : `${scheme}${user}:${HIDDEN}@`
    )
    .replace(QUERY_VALUE, `$1${HIDDEN}`)
    .replace(SECRET_PARAMETER, `$1${HIDDEN}`)
}

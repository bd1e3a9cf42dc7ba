/** The one door to the library that checks what came from outside: configuration files, manifests, journals. */
export * from 'valibot'

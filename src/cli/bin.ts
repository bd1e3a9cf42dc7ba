#!/usr/bin/env node
import { processTerminal } from './process-terminal.ts'
import { hideSecrets } from './process-title.ts'
import { run } from './run.ts'
import { typedArguments } from './typed-arguments.ts'

const { terminal, end } = processTerminal()
const { argv, escaped } = typedArguments()
hideSecrets(argv)
await end(await run(argv, terminal, escaped))

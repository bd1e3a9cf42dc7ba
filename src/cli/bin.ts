#!/usr/bin/env node
import { processTerminal } from './process-terminal.ts'
import { run } from './run.ts'
import { typedArguments } from './typed-arguments.ts'

const { terminal, end } = processTerminal()
await end(await run(typedArguments(), terminal))

#!/usr/bin/env node
import process from 'node:process'
import { processTerminal } from './process-terminal.ts'
import { run } from './run.ts'

const { terminal, end } = processTerminal()
await end(await run(process.argv.slice(2), terminal))

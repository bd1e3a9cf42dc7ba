import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import type { ExecutionContext, SerialFn, TestFn } from 'ava'

/** How a test is declared: `test` itself, or what skips it and says why. */
export type Declare = (title: string, implementation: (t: ExecutionContext) => unknown) => void

/** The path of a command, or undefined where it is not on PATH. */
export function findCommand(name: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin']
  return folders.map((folder) => join(folder, name)).find(isExecutable)
}

/**
 * `test` where the machine has every command, otherwise a skip that says what is missing. `.ci/run` reads those lines
 * and fails when the machine could have run the test.
 */
export function needing(test: TestFn | SerialFn, ...commands: string[]): Declare {
  return skippingWhen(test, missingCommands(...commands))
}

/** For every command that is not there, a reason to skip. */
export function missingCommands(...commands: string[]): string[] {
  return commands.filter((name) => findCommand(name) === undefined).map((name) => `needs the command ${name}`)
}

/** `test` where `reasons` is empty, otherwise a skip that prints them. */
export function skippingWhen(test: TestFn | SerialFn, reasons: readonly string[]): Declare {
  if (reasons.length === 0) return (title, implementation) => test(title, implementation)
  return (title, implementation) => {
    console.log(`# skipped: ${title}: ${reasons.join(', ')}`)
    test.skip(title, implementation)
  }
}

/** Why a kernel mount cannot be made here; empty where it can. */
export function withoutMounts(): string[] {
  const reasons: string[] = []
  if (!exists('/dev/fuse')) reasons.push('needs /dev/fuse')
  if (process.getuid?.() !== 0 && findCommand('fusermount3') === undefined)
    reasons.push('needs root or the command fusermount3')
  return reasons
}

/** Why root's work cannot be done here; empty where it can. */
export function withoutRoot(): string[] {
  return process.getuid?.() === 0 ? [] : ['needs root']
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

function exists(path: string): boolean {
  try {
    accessSync(path, constants.F_OK)
    return true
  } catch {
    return false
  }
}

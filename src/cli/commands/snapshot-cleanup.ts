import { cleanup, CLEANUP_DEFAULTS } from '../../snapshots/cleanup.ts'
import { command } from '../command.ts'
import { toJson } from '../json.ts'
import { describe } from '../message.ts'
import { notice } from '../notices.ts'
import { defaulting, flag, single } from '../options.ts'
import { formatSize, parseDuration, parseSize } from '../quantities.ts'
import { dryRunOption, jsonOption, openedRepository } from '../snapshot-options.ts'

const { maxLogSize, maxLogAge, maxStaleRunAge } = CLEANUP_DEFAULTS

export default command({
  name: 'snapshot cleanup',
  usage: '<repo>',
  summary: 'remove old logs, what restores have kept, and what was abandoned',
  details: `Goes on after what cannot be removed, says so, and ends with 1. What a capture or an import that died has left is of no
use to anybody: every command that changes something removes it at once, however young, and so only a dry run meets any.`,
  example: [
    'cairn snapshot cleanup /backup/repo --dry-run',
    'cairn snapshot cleanup /backup/repo --max-backup-age 1d --gc'
  ],
  options: {
    maxLogSize: defaulting('--max-log-size <size>', 'longer logs go (default: 100M)', parseSize, maxLogSize),
    maxLogAge: defaulting('--max-log-age <duration>', 'older logs go (default: 7d)', parseDuration, maxLogAge),
    maxBackupAge: single(
      '--max-backup-age <duration>',
      'older recovery files go (default: 7d), and what restores keep (default: as they were told)',
      parseDuration
    ),
    maxStaleRunAge: defaulting(
      '--max-stale-run-age <duration>',
      'what was abandoned is counted by a dry run (default: 24h)',
      parseDuration,
      maxStaleRunAge
    ),
    gc: flag('--gc', 'also remove chunks that no set needs'),
    ...dryRunOption,
    ...jsonOption
  },
  async run(invocation) {
    const { args, values, terminal, signal } = invocation
    const { json, dryRun } = values
    await using repository = await openedRepository(invocation, args[0], { readOnly: values.dryRun })
    const result = await cleanup(repository, values, { signal })
    for (const error of result.errors) notice(invocation, describe(error))
    const { logsDeleted, backupsDeleted, staleRunsDeleted, totalBytesFreed } = result
    const line = `${dryRun ? 'would remove' : 'removed'} ${logsDeleted} logs, ${backupsDeleted} kept trees and files, ${staleRunsDeleted} abandoned captures: ${formatSize(totalBytesFreed)}\n`
    const errors = result.errors.map(describe)
    await terminal.out(json ? `${toJson({ ...result, totalBytesFreed, errors, dry_run: dryRun })}\n` : line)
    return errors.length > 0 ? 1 : 0
  }
})

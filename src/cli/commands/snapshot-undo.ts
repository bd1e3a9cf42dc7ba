import { command, UsageError } from '../command.ts'
import { describe } from '../message.ts'
import { toJson } from '../json.ts'
import { notice } from '../notices.ts'
import { flag } from '../options.ts'
import { jsonOption, openedRepository } from '../snapshot-options.ts'

export default command({
  name: 'snapshot undo',
  usage: '<repo> [id]',
  summary: 'put back what was there before a restore',
  details: 'ID is what "snapshot restore" printed; without it the restores that are remembered are shown.',
  example: ['cairn snapshot undo /backup/repo restore-20261120204401123-4f21ac'],
  options: {
    commit: flag('--commit', 'keep what was restored for good: remove what was there before'),
    ...jsonOption
  },
  async run(invocation) {
    const { args, values, terminal, signal } = invocation
    const [, id] = args
    if (id === undefined && values.commit) throw new UsageError('--commit needs the id of a restore')
    await using repository = await openedRepository(invocation, args[0])
    if (id === undefined) {
      const states = await repository.restores.list()
      const lines = states.map(({ id, record }) => `${id} ${record.progress} set ${record.plan.set}\n`).join('')
      return await terminal.out(values.json ? `${toJson(states)}\n` : lines)
    }
    const state = await repository.restores.open(id)
    const { steps, notice: sentence } = await (values.commit ? state.cleanup({ signal }) : state.revert({ signal }))
    if (sentence !== undefined) notice(invocation, sentence)
    const shown = steps.map((step) => ({ ...step, error: step.error === undefined ? undefined : describe(step.error) }))
    const lines = shown
      .map(({ target, outcome, error = '' }) => `${outcome} ${target}${error && `: ${error}`}\n`)
      .join('')
    await terminal.out(values.json ? `${toJson({ restore_id: id, steps: shown, notice: sentence ?? null })}\n` : lines)
    return steps.some(({ outcome }) => outcome === 'failed') ? 1 : 0
  }
})

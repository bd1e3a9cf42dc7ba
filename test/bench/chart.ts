import type { Result } from './run.ts'

const WIDTH = 760
const LABEL = 330
const BAR = 14
const COLOURS = ['#2f6f9f', '#b8b8b8', '#d9a441', '#8f6fa8', '#7aa36f']

/** A bar chart of times, each case on a scale of its own, as SVG. */
export function chart(results: readonly Result[]): string {
  const parts: string[] = []
  let y = 20
  for (const { name, medians } of results) {
    const rows = Object.entries(medians)
    const longest = Math.max(...rows.map(([, { seconds }]) => seconds))
    parts.push(`<text x="8" y="${y + BAR - 3}" font-weight="600">${escape(name)}</text>`)
    y += BAR + 4
    for (const [i, [who, { seconds }]] of rows.entries()) {
      const length = Math.max(1, (seconds / longest) * (WIDTH - LABEL - 90))
      parts.push(
        `<text x="${LABEL - 8}" y="${y + BAR - 3}" text-anchor="end">${escape(who)}</text>`,
        `<rect x="${LABEL}" y="${y}" width="${length.toFixed(1)}" height="${BAR}" fill="${COLOURS[i % COLOURS.length]}"/>`,
        `<text x="${LABEL + length + 6}" y="${y + BAR - 3}">${seconds.toFixed(2)} s</text>`
      )
      y += BAR + 4
    }
    y += 12
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${y}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${y}" fill="#ffffff"/>`,
    ...parts,
    '</svg>',
    ''
  ].join('\n')
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}

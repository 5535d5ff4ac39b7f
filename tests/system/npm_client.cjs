// SPDX-License-Identifier: GPL-2.0-or-later
//
// npm_client.cjs MODULES URL USER PASSWORD - the client of npm's xpra-html5-client under Node: attaches, writes what
// happens to stdout, one JSON array per line, and types what it reads from stdin. What a browser has and Node has
// not is replaced by things that do nothing.
const path = require('path')
const readline = require('readline')

const [modules, url, username, password] = process.argv.slice(2)
const { WebSocket } = require(path.join(modules, 'ws'))

const nothing = () => new Proxy(function () {}, {
  get: (_, key) => key === Symbol.toPrimitive ? () => '' : key === 'length' ? 0 : nothing(),
  apply: nothing, construct: nothing, set: () => true
})
const element = () => ({
  style: {}, classList: { add () {} }, offsetWidth: 96, offsetHeight: 96, getContext: nothing, addEventListener () {},
  appendChild () {}, setAttribute () {}, remove () {}, canPlayType: () => '',
  getBoundingClientRect: () => ({ width: 96, height: 96, top: 0, left: 0 })
})
Object.defineProperty(global, 'navigator', {
  configurable: true,
  value: {
    userAgent: 'node', vendor: '', platform: 'Linux', language: 'en', languages: ['en'], appVersion: '', mimeTypes: [], plugins: [],
    permissions: { query: async () => ({ state: 'denied' }) }
  }
})
Object.assign(global, {
  window: global, self: global, WebSocket, screen: { width: 1000, height: 800, colorDepth: 24 }, innerWidth: 1000,
  innerHeight: 800, location: { href: 'http://x/', protocol: 'http:', hostname: 'x', port: '', search: '' },
  addEventListener () {}, removeEventListener () {}, Image: element, Worker: nothing(), matchMedia: () => ({ matches: false }),
  document: {
    createElement: element, addEventListener () {}, body: element(), head: element(), documentElement: element(),
    querySelector: () => null, cookie: ''
  }
})

const say = (...words) => process.stdout.write(JSON.stringify(words) + '\n')
for (const level of ['log', 'debug', 'info']) console[level] = console.error
const xpra = require(path.join(modules, 'xpra-html5-client'))

async function main () {
  const client = new xpra.XpraClient({ worker: new xpra.XpraPacketNullWorker(), decoder: new xpra.XpraDecodeNullWorker() })

  await client.init()
  for (const name of ['connect', 'disconnect', 'error', 'sessionStarted', 'draw', 'updateWindowMetadata']) {
    client.on(name, what => say(name, typeof what === 'object' && what ? { wid: what.wid, encoding: what.encoding } : what))
  }
  client.on('newWindow', w => {
    say('newWindow', w.id, w.metadata && w.metadata.title)
    client.send(['map-window', w.id, 0, 0, w.dimension[0], w.dimension[1], {}])
  })
  client.on('hello', caps => say('hello', caps.version))
  client.connect(url, { username, password, reconnect: false, audio: false, clipboard: false, fileTransfer: false, printing: false })
  readline.createInterface({ input: process.stdin }).on('line', line => {
    const packet = JSON.parse(line)
    packet[0] === 'disconnect' ? client.disconnect() : client.send(packet)
  })
}
main().catch(e => { say('failed', String(e && e.stack)); process.exit(1) })

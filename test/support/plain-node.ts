// Says what a node of `up --nodes` says when it serves, at the ports that it was given (any, where
// that is 0), and serves nothing: for tests of who watches it.

const { argv } = process;
const given = (option: string): number => Number(argv[argv.indexOf(option) + 1]);
const port = (option: string): number =>
  given(option) === 0 ? 1024 + Math.floor(Math.random() * 60_000) : given(option);

process.stdout.write(
  `${JSON.stringify({
    event: 'ready',
    role: 'leading',
    reason: '',
    epoch: 1,
    position: 1,
    url: `http://127.0.0.1:${port('--port')}`,
    binary_url: `holdfast://127.0.0.1:${port('--binary-port')}`,
    peer: `127.0.0.1:${port('--peer-port')}`,
  })}\n`,
);
process.stdin.on('close', () => process.exit(0));
process.stdin.resume();

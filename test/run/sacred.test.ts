// The job is sacred: what CMD is, says and ends with must not depend on Wattmeter being there, well, or alive.

import { spawn, spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { closeSync, openSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';

import { openSubject, subjectEnvironment, type Subject } from './subject.ts';
import { Terminal } from './terminal.ts';

let subject: Subject;
beforeAll(() => {
  subject = openSubject();
});
afterAll(() => subject[Symbol.dispose]());

const environment = subjectEnvironment();

const quote = (words: readonly string[]): string =>
  words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');

function run(
  command: readonly string[],
  options: readonly string[] = [],
): SpawnSyncReturns<string> {
  const [program = '', ...args] = subject.commandLine(command, options);
  return spawnSync(program, args, { env: environment, encoding: 'utf8' });
}

/** Runs `command` in bash after `setup`, without and with Wattmeter before it. */
function bothWays(setup: string, command: readonly string[]): { bare: string; wrapped: string } {
  const through = (words: readonly string[]): string => {
    const file = join(subject.directory, 'stdout');
    const stdout = openSync(file, 'w+');
    const script = `${setup}\nexec "$@"`;
    const { status, stderr } = spawnSync('bash', ['-c', script, 'bash', ...words], {
      stdio: ['ignore', stdout, 'pipe'],
      env: { ...environment, 'BASH_FUNC_module%%': '() {  echo loaded\n}' },
      encoding: 'utf8',
    });
    closeSync(stdout);
    if (status !== 0) throw new Error(`${words.join(' ')} exited with ${status}: ${stderr}`);
    return readFileSync(file, 'utf8');
  };
  // The build's place is known to the harness alone; env(1) takes it away and changes nothing else.
  const bare = through(['env', '-u', 'WATTMETER_TEST_DIST', ...command]);
  return { bare, wrapped: through(subject.commandLine(command)) };
}

const variablesOf = (environ: string): string[] =>
  environ.split('\0').filter((entry) => !entry.startsWith('WATTMETER_SOCKET='));

describe('CMD inherits what it would have without Wattmeter', () => {
  test('its environment, exported functions and an unset PWD included', () => {
    const { bare, wrapped } = bothWays('unset PWD OLDPWD SHLVL', ['cat', '/proc/self/environ']);
    expect(bare).toContain('BASH_FUNC_module%%=');
    expect(variablesOf(wrapped)).toEqual(variablesOf(bare));
  });

  test.each([
    ['signal dispositions', '', ['grep', '^Sig[BIC]', '/proc/self/status']],
    ['an ignored SIGHUP (nohup)', "trap '' HUP", ['grep', '^Sig[BIC]', '/proc/self/status']],
    ['an ignored SIGINT and SIGPIPE', "trap '' INT PIPE", ['grep', '^SigI', '/proc/self/status']],
    ['umask', 'umask 0137', ['grep', 'Umask', '/proc/self/status']],
    ['limits', 'ulimit -Sn 256; ulimit -c 0', ['cat', '/proc/self/limits']],
    ['an open-files limit that is low', 'ulimit -Hn 128', ['grep', 'open', '/proc/self/limits']],
    ['nice value', 'renice -n 5 $$ >/dev/null', ['nice']],
    ['working directory', 'cd /usr/lib', ['readlink', '/proc/self/cwd']],
    ['arguments, empty and odd ones included', '', ['printf', '<%s>', '', '--', 'a b', '-é\n']],
    ['open descriptors', 'exec 5</etc/passwd 63</etc/group', ['ls', '/proc/self/fd']],
    ['what they point to', 'exec 63</etc/group', ['readlink', '/proc/self/fd/63']],
    ['their access mode', 'exec 9>>/dev/null', ['grep', 'flags', '/proc/self/fdinfo/9']],
    ['no descriptor of ours', '', ['ls', '/proc/self/fd']],
    ['the flags of its stdout', '', ['cat', '/proc/self/fdinfo/1']],
    ['processor affinity', '', ['grep', 'Cpus_allowed:', '/proc/self/status']],
  ])('%s', (_, setup, command) => {
    const { bare, wrapped } = bothWays(setup, command);
    expect(bare).not.toBe('');
    expect(wrapped).toBe(bare);
  });

  test('a descriptor from a process substitution', () => {
    const line = `cat <(echo through) ; ${quote(subject.commandLine(['cat']))} <(echo through)`;
    const { stdout } = spawnSync('bash', ['-c', line], { env: environment, encoding: 'utf8' });
    expect(stdout).toBe('through\nthrough\n');
  });

  test('its process group, and the session', () => {
    const line = `echo $$; ${quote(subject.commandLine(['cut', '-d ', '-f5,6', '/proc/self/stat']))}; :`;
    const { stdout } = spawnSync('setsid', ['bash', '-c', line], {
      env: environment,
      encoding: 'utf8',
    });
    const [leader, job] = stdout.trim().split('\n');
    expect(job).toBe(`${leader} ${leader}`);
  });

  test('a stdin that is a pipe, to the last byte', () => {
    const [program = '', ...args] = subject.commandLine(['cat']);
    const input = 'x'.repeat(1_000_000);
    const { stdout, status } = spawnSync(program, args, {
      env: environment,
      input,
      encoding: 'utf8',
      maxBuffer: 2_000_000,
    });
    expect(stdout.length).toBe(input.length);
    expect(status).toBe(0);
  });

  test('pipes that block, during the run and after it', () => {
    const flags = 'grep flags /proc/self/fdinfo/0 /proc/self/fdinfo/1 /proc/self/fdinfo/2';
    const inPipes = (words: readonly string[]): string =>
      spawnSync('bash', ['-c', `: | { ${quote(words)} 2> >(cat >/dev/null); ${flags}; } | cat`], {
        env: environment,
        encoding: 'utf8',
      }).stdout;
    const bare = inPipes(['bash', '-c', flags]);
    expect(bare.split('\n').length).toBe(7);
    expect(inPipes(subject.commandLine(['bash', '-c', flags]))).toBe(bare);
  });
});

describe('exit codes', () => {
  test.each([
    ['its own 0', ['true'], 0],
    ['its own 1', ['false'], 1],
    ['its own 255', ['sh', '-c', 'exit 255'], 255],
    ['128 + 9 by SIGKILL', ['sh', '-c', 'kill -KILL $$'], 137],
    ['128 + 15 by SIGTERM', ['sh', '-c', 'kill -TERM $$'], 143],
    ['128 + 6 by SIGABRT', ['sh', '-c', 'kill -ABRT $$'], 134],
    ['127 for no such command', ['wattmeter-no-such-command'], 127],
    ['127 for no such file', ['/nonexistent/program'], 127],
    ['127 for an empty name', [''], 127],
    ['126 for a folder', ['/usr'], 126],
    ['126 for a file that may not be executed', ['/etc/passwd'], 126],
  ])('%s', (_, command, code) => {
    const { status, stderr } = run(command);
    expect(status, stderr).toBe(code);
  });

  test('a script without a first line is run by sh, as execvp() has it', () => {
    const script = join(subject.directory, 'plain');
    spawnSync('bash', ['-c', `echo 'exit 42' > ${script}; chmod +x ${script}`]);
    expect(run([script]).status).toBe(42);
  });

  test('through a link in another folder, as npm makes it', () => {
    const link = join(subject.directory, 'linked');
    symlinkSync(subject.program, link);
    const [, ...args] = subject.commandLine(['sh', '-c', 'exit 9']);
    expect(spawnSync(link, args, { env: environment }).status).toBe(9);
  });

  test('a program that is not there is explained in one line', () => {
    const { stderr } = run(['wattmeter-no-such-command']);
    expect(stderr).toMatch(/Cannot run wattmeter-no-such-command: .*PATH/);
  });
});

// A job that says when it is ready, counts the signals it gets, and reports them when asked on stdin.
const COUNTING_JOB = [
  process.execPath,
  '-e',
  `const got = {};
   for (const name of ['SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'])
     process.on(name, () => { got[name] = (got[name] ?? 0) + 1; console.log('got ' + name); });
   process.stdin.once('data', () => setTimeout(() => {
     console.log('counted ' + JSON.stringify(got)); process.exit(7);
   }, 300));
   console.log('ready ' + process.pid);`,
];

describe('signals', () => {
  test.each(['SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const)(
    '%s sent to Wattmeter reaches CMD once, and Wattmeter waits for CMD',
    async (signal) => {
      const [program = '', ...args] = subject.commandLine(COUNTING_JOB);
      // Its own session: no terminal whose foreground group could have sent it.
      const wattmeter = spawn(program, args, { env: environment, detached: true });
      const ended = new Promise((resolve) => wattmeter.once('exit', resolve));
      let output = '';
      for await (const chunk of wattmeter.stdout.setEncoding('utf8') as AsyncIterable<string>) {
        const before = output;
        output += chunk;
        if (!before.includes('ready') && output.includes('ready')) wattmeter.kill(signal);
        if (!before.includes('got') && output.includes('got')) wattmeter.stdin.write('count\n');
      }
      expect(output).toContain(`counted {"${signal}":1}`);
      expect(await ended).toBe(7);
    },
  );

  test('SIGHUP that nohup ignores stays ignored in CMD', () => {
    const { stdout } = spawnSync(
      'nohup',
      subject.commandLine(['sh', '-c', 'kill -HUP $$; echo on']),
      {
        env: environment,
        encoding: 'utf8',
      },
    );
    expect(stdout).toBe('on\n');
  });

  test('a broken pipe ends CMD as ever', () => {
    const line = `${quote(subject.commandLine(['yes']))} | head -n 1; echo \${PIPESTATUS[0]}`;
    const { stdout } = spawnSync('bash', ['-c', line], { env: environment, encoding: 'utf8' });
    expect(stdout).toBe('y\n141\n');
  });
});

describe('on a terminal', () => {
  const onTerminal = (command: readonly string[], options: readonly string[] = []): Terminal =>
    new Terminal(`exec ${quote(subject.commandLine(command, options))}`, environment);

  test('stdin, stdout and stderr stay the terminal', async () => {
    await using terminal = onTerminal(['sh', '-c', 'test -t 0 && test -t 1 && test -t 2 && tty']);
    await terminal.shows(/\/dev\/pts\/\d+/);
    expect(await terminal.ended()).toBe(0);
  });

  test.each([
    ['Ctrl-C', '\u0003', 'SIGINT'],
    ['Ctrl-\\', '\u001c', 'SIGQUIT'],
  ])('%s reaches CMD once', async (_, key, signal) => {
    await using terminal = onTerminal(COUNTING_JOB);
    await terminal.shows(/ready \d+/);
    terminal.type(key);
    await terminal.shows(new RegExp(`got ${signal}`));
    terminal.type('\n');
    const counted = await terminal.shows(/counted (\{.*\})/);
    expect(counted[1]).toBe(`{"${signal}":1}`);
    expect(await terminal.ended()).toBe(7);
  });

  test('Ctrl-Z stops both, fg continues both', async () => {
    await using terminal = new Terminal('bash --norc --noprofile -i', environment);
    terminal.type(`${quote(subject.commandLine(COUNTING_JOB))}; echo "exit=$?"\n`);
    const [, pid] = await terminal.shows(/ready (\d+)/);
    terminal.type('\u001a');
    await terminal.shows(/Stopped/);
    const state = (of: string): string =>
      /^State:\s+(\S)/m.exec(readFileSync(`/proc/${of}/status`, 'utf8'))?.[1] ?? '';
    const parent = /^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '';
    // The shell tells of Wattmeter; CMD, which the terminal stops itself, may be a moment later.
    await vi.waitFor(() => expect([state(pid ?? ''), state(parent)]).toEqual(['T', 'T']), {
      timeout: 10_000,
    });
    terminal.type('fg\n');
    await terminal.shows(/wattmeter/);
    terminal.type('\n');
    await terminal.shows(/counted \{\}/);
    terminal.type('exit 0\n');
    expect(await terminal.ended()).toBe(0);
  });
});

/** A job that goes on after its Wattmeter: writes ten lines when told to, and its exit code where a third party reads it. */
function outlivingJob(subjectDirectory: string): { command: string[]; go: string; done: string } {
  const go = join(subjectDirectory, `go-${Math.random()}`);
  const done = join(subjectDirectory, `done-${Math.random()}`);
  spawnSync('mkfifo', [go, done]);
  const script =
    'echo ready $$ $PPID; read line < "$0"; for i in 1 2 3; do echo out$i; echo err$i >&2; done; echo wrote > "$1"';
  return { command: ['bash', '-c', script, go, done], go, done };
}

describe('when Wattmeter is killed with -9', () => {
  test.each([
    ['', []],
    [' although its output passes through --step-pattern', ['--step-pattern', 'out(?<step>[0-9])']],
  ])('CMD goes on and its output arrives%s', async (_, options) => {
    const { command, go, done } = outlivingJob(subject.directory);
    const [program = '', ...args] = subject.commandLine(command, options);
    const wattmeter = spawn(program, args, { env: environment });
    let errors = '';
    wattmeter.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
    const errorsEnded = new Promise((resolve) => wattmeter.stderr.once('end', resolve));
    const killed = new Promise((resolve) =>
      wattmeter.once('exit', (_code, signal) => resolve(signal)),
    );
    let output = '';
    let last: SpawnSyncReturns<string> | undefined;
    for await (const chunk of wattmeter.stdout.setEncoding('utf8') as AsyncIterable<string>) {
      output += chunk;
      const ready = /ready \d+ (\d+)\n/.exec(output);
      if (ready === null || last !== undefined) continue;
      expect(ready[1]).toBe(String(wattmeter.pid));
      wattmeter.kill('SIGKILL');
      expect(await killed).toBe('SIGKILL');
      last = spawnSync('bash', ['-c', `echo go > ${go}; cat ${done}`], { encoding: 'utf8' });
    }
    await errorsEnded;
    expect(last?.stdout).toBe('wrote\n');
    expect(output).toContain('out1\nout2\nout3\n');
    expect(errors).toContain('err1\nerr2\nerr3\n');
  });
});

describe('with --step-pattern', () => {
  const pattern = ['--step-pattern', 'step (?<step>[0-9]+)'];

  test('a stopped Wattmeter blocks nobody, however much CMD writes', async () => {
    // 96 MiB: more than any pipe, and more than the tap may hold.
    const script = `kill -STOP $PPID; head -c 100663296 /dev/zero; echo; echo all written
      for fd in /proc/$PPID/fd/*; do
        case $(readlink $fd) in */tap-1*) stat -L -c 'tap %s' $fd ;; esac
      done
      kill -CONT $PPID; exit 3`;
    const [program = '', ...args] = subject.commandLine(['sh', '-c', script], pattern);
    const wattmeter = spawn(program, args, {
      env: environment,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = new Promise((resolve) => wattmeter.once('exit', resolve));
    let length = 0;
    let tail = '';
    for await (const chunk of wattmeter.stdout as AsyncIterable<Buffer>) {
      length += chunk.length;
      tail = (tail + chunk.toString('latin1')).slice(-40);
    }
    const said = '\nall written\ntap 67108864\n';
    expect(length).toBe(100_663_296 + said.length);
    expect(tail).toContain(said);
    expect(await ended).toBe(3);
  });

  test('a broken pipe still ends CMD', () => {
    const line = `${quote(subject.commandLine(['yes'], pattern))} | head -n 1; echo \${PIPESTATUS[0]}`;
    const { stdout } = spawnSync('bash', ['-c', line], { env: environment, encoding: 'utf8' });
    expect(stdout).toBe('y\n141\n');
  });

  test('stdout and stderr keep their order where they share a pipe', () => {
    const script = 'for i in $(seq 500); do echo o$i; echo e$i >&2; done';
    const line = `{ ${quote(subject.commandLine(['sh', '-c', script], pattern))} 2>&1; } | cat`;
    const { stdout } = spawnSync('bash', ['-c', line], { env: environment, encoding: 'utf8' });
    const expected = Array.from({ length: 500 }, (_, i) => `o${i + 1}\ne${i + 1}\n`).join('');
    expect(stdout.startsWith(expected)).toBe(true);
  });

  test('a log file is CMD’s own, with no process in between', () => {
    const file = join(subject.directory, 'log');
    const command = ['sh', '-c', 'readlink /proc/self/fd/1; echo step 1'];
    spawnSync(
      'bash',
      ['-c', `${quote(subject.commandLine(command, pattern))} > ${file} 2>/dev/null`],
      {
        env: environment,
      },
    );
    expect(readFileSync(file, 'utf8')).toBe(`${file}\nstep 1\n`);
  });

  test('Ctrl-C does not take the last words of CMD', async () => {
    await using terminal = new Terminal(
      `exec ${quote(subject.commandLine(COUNTING_JOB, pattern))}`,
      environment,
    );
    await terminal.shows(/ready \d+/);
    terminal.type('\u0003');
    await terminal.shows(/got SIGINT/);
    terminal.type('\n');
    await terminal.shows(/counted \{"SIGINT":1\}/);
    expect(await terminal.ended()).toBe(7);
  });
});

test('Wattmeter ends although CMD’s children still hold its output', () => {
  const started = process.hrtime.bigint();
  const [program = '', ...args] = subject.commandLine(
    ['sh', '-c', 'sleep 30 & echo $!'],
    ['--step-pattern', 'step (?<step>[0-9]+)'],
  );
  const file = join(subject.directory, 'pids');
  const { status } = spawnSync(
    'bash',
    ['-c', `"$@" 2>/dev/null > >(cat > ${file})`, '', program, ...args],
    {
      env: environment,
      stdio: 'ignore',
    },
  );
  const seconds = Number(process.hrtime.bigint() - started) / 1e9;
  process.kill(Number(readFileSync(file, 'utf8')));
  expect(status).toBe(0);
  expect(seconds).toBeLessThan(20);
});

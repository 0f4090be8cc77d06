// A disk in memory that fails on demand: it tears writes, loses unsynced pages, hangs. And a timer that a test turns.

import type { JournalFile } from '../../agent/ledger/journal-file.ts';
import type { Timer } from '../../agent/ledger/journal.ts';

export type DiskMood = 'well' | 'full' | 'failing-sync' | 'hung';

export interface FakeDisk {
  mood: DiskMood;
  /** What a reader sees. */
  bytes: Buffer;
  /** What power loss leaves. */
  durable: Buffer;
  readonly file: JournalFile;
  /** Lets hung calls go on. */
  release(): void;
}

const failure = (code: string): Error => Object.assign(new Error(code), { code });

export function fakeDisk(): FakeDisk {
  let waiting: (() => void)[] = [];
  const answer = async (): Promise<void> => {
    await Promise.resolve();
    if (disk.mood === 'hung') await new Promise<void>((resolve) => waiting.push(resolve));
  };
  const put = (bytes: Buffer, position: number): void => {
    const grown = Buffer.alloc(Math.max(disk.bytes.length, position + bytes.length));
    disk.bytes.copy(grown);
    bytes.copy(grown, position);
    disk.bytes = grown;
  };
  const disk: FakeDisk = {
    mood: 'well',
    bytes: Buffer.alloc(0),
    durable: Buffer.alloc(0),
    file: {
      async write(bytes, position) {
        await answer();
        if (disk.mood === 'full') {
          put(bytes.subarray(0, Math.floor(bytes.length / 2)), position);
          throw failure('ENOSPC');
        }
        put(bytes, position);
      },
      async truncate(lengthBytes) {
        await answer();
        if (disk.mood === 'full') throw failure('ENOSPC');
        disk.bytes = disk.bytes.subarray(0, lengthBytes);
      },
      async sync() {
        await answer();
        if (disk.mood === 'failing-sync') {
          // What Linux may do: the pages are dropped, and the next sync would succeed without them.
          const zeros = Buffer.alloc(Math.max(0, disk.bytes.length - disk.durable.length));
          disk.bytes = Buffer.concat([disk.durable, zeros]);
          throw failure('EIO');
        }
        disk.durable = Buffer.from(disk.bytes);
      },
      async close() {
        await Promise.resolve();
      },
    },
    release() {
      disk.mood = 'well';
      const released = waiting;
      waiting = [];
      for (const go of released) go();
    },
  };
  return disk;
}

export interface FakeTimer {
  readonly timer: Timer;
  /** Lets time pass, calling back what falls due, and what that brings. */
  advance(seconds: number): Promise<void>;
}

/** Lets every promise that can settle settle. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await Promise.resolve();
}

export function fakeTimer(): FakeTimer {
  let now = 0;
  const alarms = new Set<{ at: number; callback: () => void }>();
  return {
    timer(seconds, callback) {
      const alarm = { at: now + seconds, callback };
      alarms.add(alarm);
      return () => alarms.delete(alarm);
    },
    async advance(seconds) {
      const until = now + seconds;
      for (;;) {
        await settle();
        const due = [...alarms].filter((one) => one.at <= until).toSorted((a, b) => a.at - b.at)[0];
        if (due === undefined) break;
        now = due.at;
        alarms.delete(due);
        due.callback();
      }
      now = until;
    },
  };
}

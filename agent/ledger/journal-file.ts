// The file under a journal: the four calls that can fail with a full or dying disk, behind an interface so that tests
// can make them fail.

import type { FileHandle } from 'node:fs/promises';

/** A file that one writer owns. All of them reject with the system's error. */
export interface JournalFile {
  /** Writes all of `bytes` at `position`; once it resolves, the kernel has them and kill −9 cannot take them. */
  write(bytes: Buffer, position: number): Promise<void>;
  truncate(lengthBytes: number): Promise<void>;
  /** Once it resolves, power loss cannot take what was written before the call. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** A journal's file on a real disk. */
export function journalFile(handle: FileHandle): JournalFile {
  return {
    async write(bytes, position) {
      let done = 0;
      while (done < bytes.length) {
        const { bytesWritten } = await handle.write(
          bytes,
          done,
          bytes.length - done,
          position + done,
        );
        done += bytesWritten;
      }
    },
    truncate: (lengthBytes) => handle.truncate(lengthBytes),
    async sync() {
      await handle.datasync();
      // What is written to a file without a name is lost with its writer, however well it is synced.
      if ((await handle.stat()).nlink === 0) throw new Error('somebody has removed it');
    },
    close: () => handle.close(),
  };
}

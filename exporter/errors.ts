// What can be wrong with how the exporter is set up; the command line prints the message as one line and exits with 2.

/** A mistake in web.config.yml or in a `--web.…` option: names the place in the file, the cause and the mend. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/** An address that cannot be listened on. */
export class ListenError extends Error {
  override readonly name = 'ListenError';
}

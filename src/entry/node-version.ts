import zlib from 'node:zlib';

/**
 * Imported first, for its effect. Without zstd nothing of ours works, and a user on an old Node should read this rather than a
 * stack trace from somewhere inside. The bundles are written in the syntax of Node 20, so that they get this far on it.
 */
if (typeof zlib.createZstdCompress !== 'function') {
  process.stderr.write(
    `error: Node.js ${process.versions.node} is too old: it has no zstd\n→ Use Node.js 22.15 or newer; 24 is what this is tested with.\n`,
  );
  process.exit(2);
}

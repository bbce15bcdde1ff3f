import zlib from 'node:zlib';

/**
 * Imported first, for its effect. Without zstd (22.15) and AsyncDisposableStack (24) nothing of ours works, and a user on an old Node should read this rather than a
 * stack trace from somewhere inside. The bundles are written in the syntax of Node 20, so that they get this far on it.
 */
if (typeof zlib.createZstdCompress !== 'function' || typeof AsyncDisposableStack !== 'function') {
  process.stderr.write(`error: Node.js ${process.versions.node} is too old\n→ Use Node.js 24 or newer.\n`);
  process.exit(2);
}

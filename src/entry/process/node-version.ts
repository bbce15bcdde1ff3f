import zlib from 'node:zlib';

/**
 * Imported first, for its effect. This tool needs zstd (Node 22.15) and AsyncDisposableStack (Node 24), and a
 * user of an older Node should see this message rather than a stack trace. The bundles use the syntax of Node
 * 20, so that they get this far on it.
 */
if (typeof zlib.createZstdCompress !== 'function' || typeof AsyncDisposableStack !== 'function') {
  process.stderr.write(`error: Node.js ${process.versions.node} is too old\n→ Use Node.js 24 or newer.\n`);
  process.exit(2);
}

// Everything for reading, making, keeping and serving content-addressed backups. `openBackup` is where most programs
// begin; `mount` shows what it opens at a local path. Formats alone, without the rest: `cairnfs/formats`.

export * from './errors.ts'
export type { Progress, ProgressOptions, ReadOptions } from './read-options.ts'

export * from './formats/index.ts'
export type { Compression } from './native/binding.ts'

export { checkedSizes, DEFAULT_CHUNK_SIZES, parseChunkSizes, parseKibibyteSizes } from './chunking/chunk-sizes.ts'
export { chunkFile, type ChunkFileOptions } from './chunking/chunk-file.ts'
export { chunkStream, type PlainChunk } from './chunking/chunk-stream.ts'
export { type ChunkStorage, type ChunkTarget, StoreStorage, type StorageOptions } from './chunking/chunk-storage.ts'
export { type ByteSource, streamSource } from './chunking/byte-source.ts'
export { FileSource } from './chunking/file-source.ts'
export { type IndexedSource, indexSource, type IndexSourceOptions } from './chunking/index-source.ts'
export type { ChunkingStats } from './chunking/stats.ts'

export {
  type ChunkFile,
  type ChunkStore,
  isLocated,
  isPrunable,
  isWritable,
  type LocatedStore,
  type PrunableStore,
  type StoredChunk,
  type StoredEntry,
  type UseChunk,
  type WritableStore
} from './stores/store.ts'
export type { OnNotice, S3Credentials, StoreOptions } from './stores/store-options.ts'
export {
  openStore,
  type OpenStoreOptions,
  openStores,
  type OpenStoresOptions,
  openWritableStore
} from './stores/open-store.ts'
export { type Location, parseLocation, shownLocation } from './stores/location.ts'
export { type Configuration, defaultConfigurationPath, readConfiguration } from './stores/configuration.ts'
export { LocalStore, type LocalStoreOptions } from './stores/local.ts'
export { MemoryStore, type MemoryStoreOptions } from './stores/memory.ts'
export { HttpStore } from './stores/http.ts'
export { SftpStore } from './stores/sftp.ts'
export { SshStore, type SshStoreOptions } from './stores/ssh.ts'
export { BoundedCache } from './stores/bounded-cache.ts'
export { type Cache, cached, CachedStore, type CacheOptions } from './stores/cached.ts'
export { FailoverGroup, type FailoverOptions } from './stores/failover.ts'
export { limited } from './stores/limited.ts'
export { retrying, type RetryPolicy } from './stores/retrying.ts'
export { routed, type RoutedOptions } from './stores/routed.ts'

export { ChunkCache } from './chunks/chunk-cache.ts'
export { chunkSource, type ChunkSourceOptions } from './chunks/chunk-source.ts'
export { compressChunk, type CompressOptions } from './chunks/compress-chunk.ts'
export { decodeStored as decodeChunk, verifyStored as verifyChunk } from './chunks/decode-stored.ts'
export { isZeroChunk, type NullChunk, zeroBytes, zeroChunk } from './chunks/null-chunk.ts'
export { type CachedSource, type ChunkReadOptions, type ChunkSource, isCached } from './chunks/source.ts'

export { openIndex, type OpenIndexOptions, readIndex, saveIndex, type SaveIndexOptions } from './indexes/open-index.ts'
export { type IndexPlace, openIndexStore, placeOfIndex } from './indexes/open-index-store.ts'
export {
  type IndexStore,
  isListableIndexStore,
  isWritableIndexStore,
  type ListableIndexStore,
  type PutIndexOptions,
  type WritableIndexStore
} from './indexes/index-store.ts'
export { LocalIndexStore } from './indexes/local-index-store.ts'
export { HttpIndexStore } from './indexes/http-index-store.ts'
export { SftpIndexStore } from './indexes/sftp-index-store.ts'
export { SshIndexStore } from './indexes/ssh-index-store.ts'

export { ChunkReader, type ChunkReaderOptions } from './reader/chunk-reader.ts'
export { FileReader } from './reader/file-reader.ts'
export type { PositionedOptions, RandomReader, StreamOptions } from './reader/random-reader.ts'
export {
  type Limits,
  NO_RUNS,
  type Plan,
  planReadahead,
  type Reading,
  type Run,
  type Runs
} from './reader/readahead.ts'
export { SeekableReader, type Whence } from './reader/seekable-reader.ts'

export * from './catar/index.ts'

export { chopFile, type ChopOptions } from './archive/chop.ts'
export { copyChunks, type CopyChunksOptions, type Copied } from './archive/copy-chunks.ts'
export { extractBlob, type ExtractBlobOptions } from './archive/extract-blob.ts'
export type { ExtractStats } from './archive/extract-stats.ts'
export { indexInfo, type IndexInfo, type IndexInfoOptions } from './archive/info.ts'
export { type Made, makeBlob, type MakeOptions, makeTree } from './archive/make.ts'
export { type MadeArchive, makeArchive, type MakeArchiveOptions, type WritePiece } from './archive/make-archive.ts'
export {
  type Backup,
  type BackupKind,
  backupKind,
  type BlobBackup,
  defaultStore,
  openBackup,
  type OpenBackupOptions,
  type TreeBackup
} from './archive/open-backup.ts'
export { type PackOptions, packTree } from './archive/pack.ts'
export { pruneStore, type Pruned, type PruneOptions } from './archive/prune-store.ts'
export { storeChunks } from './archive/store-chunks.ts'
export { unpackArchive, type UnpackOptions } from './archive/unpack.ts'
export { unpackIndex, type UnpackIndexOptions } from './archive/unpack-index.ts'
export { type BlobVerification, verifyBlob, type WrongRange } from './archive/verify-blob.ts'
export { type BadChunk, type StoreVerification, verifyStore, type VerifyStoreOptions } from './archive/verify-store.ts'

export { chunkHandler, type ChunkHandlerOptions } from './serve/chunk-handler.ts'
export type { Handler } from './serve/handler.ts'
export { indexHandler, type IndexHandlerOptions } from './serve/index-handler.ts'
export { ProtocolConnection } from './serve/protocol-connection.ts'
export { type Offer, serveProtocol } from './serve/protocol-server.ts'
export { type Access, ChunkServer, type ServerOptions, type TlsOptions } from './serve/server.ts'

export * from './mount/index.ts'

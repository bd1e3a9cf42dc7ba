// Stores in S3 buckets, by their classes. Apart from the rest because importing the S3 client takes half a second;
// `openStore('s3+https://…')` loads it only when it is wanted.

export { S3Bucket, type S3Object } from './stores/s3-bucket.ts'
export { type S3Place, s3Place } from './stores/s3-place.ts'
export { S3Store, upgradeS3Layout } from './stores/s3.ts'
export { S3IndexStore } from './indexes/s3-index-store.ts'

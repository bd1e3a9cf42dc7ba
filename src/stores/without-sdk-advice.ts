// The AWS SDK advises on Node's version as soon as it is loaded. That is for whoever builds with it, not for whoever
// mounts a backup; so this file is imported before it.
process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true'

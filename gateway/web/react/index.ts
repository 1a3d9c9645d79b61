export { Composer, type ComposerProps } from './Composer.js';
export { Markdown, type MarkdownProps } from './Markdown.js';
export { StreamingChat, type StreamingChatProps } from './StreamingChat.js';
export { Thread, type ThreadProps } from './Thread.js';
export { type UseRoom, useRoom } from './useRoom.js';
export { type StreamingChatOptions, type UseStreamingChat, useStreamingChat } from './useStreamingChat.js';

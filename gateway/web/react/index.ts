export { type Labels, StreamingChat, type StreamingChatProps } from './StreamingChat.js';
export { type StreamingChatOptions, type UseStreamingChat, useStreamingChat } from './useStreamingChat.js';

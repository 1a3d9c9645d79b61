/** Line icons, 20 by 20, in the colour of the text around them. All are decoration: their buttons have names. */
import type { ReactNode } from 'react';

function icon(drawing: ReactNode) {
  return function Icon() {
    return (
      <svg
        className="icon"
        viewBox="0 0 20 20"
        fill="none"
        stroke="currentColor"
        strokeWidth="1.6"
        strokeLinecap="round"
        strokeLinejoin="round"
        aria-hidden="true"
      >
        {drawing}
      </svg>
    );
  };
}

export const PlusIcon = icon(<path d="M10 4v12M4 10h12" />);
export const SidebarIcon = icon(
  <path d="M3.5 5.5a2 2 0 0 1 2-2h9a2 2 0 0 1 2 2v9a2 2 0 0 1-2 2h-9a2 2 0 0 1-2-2zM8 3.5v13" />,
);
export const MembersIcon = icon(
  <path d="M7.5 9.5a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM2 16.5c.3-3 2.4-4.7 5.5-4.7s5.2 1.7 5.5 4.7M13 3.9a3 3 0 0 1 0 5.3M15 12.2c1.8.7 2.8 2.2 3 4.3" />,
);
export const ShareIcon = icon(
  <path d="M8.5 11.5a3.2 3.2 0 0 0 4.6 0l2.7-2.7a3.2 3.2 0 0 0-4.6-4.6L10 5.4M11.5 8.5a3.2 3.2 0 0 0-4.6 0l-2.7 2.7a3.2 3.2 0 0 0 4.6 4.6l1.2-1.2" />,
);
export const SearchIcon = icon(<path d="M9 14.5a5.5 5.5 0 1 0 0-11 5.5 5.5 0 0 0 0 11zM13 13l3.5 3.5" />);
export const PencilIcon = icon(<path d="m4 16 .8-3.2L13 4.6a1.7 1.7 0 0 1 2.4 2.4l-8.2 8.2zM11.7 6l2.3 2.3" />);
export const BinIcon = icon(
  <path d="M3.5 5.5h13M8 5.5V4a1 1 0 0 1 1-1h2a1 1 0 0 1 1 1v1.5M5.2 5.5l.7 9.6a1.5 1.5 0 0 0 1.5 1.4h5.2a1.5 1.5 0 0 0 1.5-1.4l.7-9.6M8.5 8.7v4.6M11.5 8.7v4.6" />,
);
export const CopyIcon = icon(
  <path d="M7.5 7.5h7a1.5 1.5 0 0 1 1.5 1.5v6a1.5 1.5 0 0 1-1.5 1.5h-6A1.5 1.5 0 0 1 7 15V8M13 7.5V5a1.5 1.5 0 0 0-1.5-1.5h-6A1.5 1.5 0 0 0 4 5v6a1.5 1.5 0 0 0 1.5 1.5H7" />,
);
export const CheckIcon = icon(<path d="m4.5 10.5 3.5 3.5 7.5-8" />);
export const RepeatIcon = icon(<path d="M15.8 8A6.2 6.2 0 1 0 16 11.5M16 4v4h-4" />);
export const ArrowUpIcon = icon(<path d="M10 16V4.5M5 9l5-5 5 5" />);
export const ArrowDownIcon = icon(<path d="M10 4v11.5M5 11l5 5 5-5" />);
export const StopIcon = icon(<rect x="5.5" y="5.5" width="9" height="9" rx="1.5" fill="currentColor" />);
export const CloseIcon = icon(<path d="m5 5 10 10M15 5 5 15" />);
export const SlidersIcon = icon(
  <path d="M3.5 6.5h6M13.5 6.5h3M3.5 13.5h3M10.5 13.5h6M11.5 8.5a2 2 0 1 0 0-4 2 2 0 0 0 0 4zM8.5 15.5a2 2 0 1 0 0-4 2 2 0 0 0 0 4z" />,
);
export const SunIcon = icon(
  <path d="M10 13.2a3.2 3.2 0 1 0 0-6.4 3.2 3.2 0 0 0 0 6.4zM10 2.5v1.3M10 16.2v1.3M2.5 10h1.3M16.2 10h1.3M4.7 4.7l.9.9M14.4 14.4l.9.9M4.7 15.3l.9-.9M14.4 5.6l.9-.9" />,
);
export const MoonIcon = icon(<path d="M16.5 11.8A6.8 6.8 0 0 1 8.2 3.5a6.8 6.8 0 1 0 8.3 8.3z" />);
export const AutoIcon = icon(
  <>
    <path d="M10 16.5a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13z" />
    <path d="M10 3.5v13a6.5 6.5 0 0 0 0-13z" fill="currentColor" />
  </>,
);
export const KeyboardIcon = icon(
  <path d="M3.5 5.5h13a1 1 0 0 1 1 1v7a1 1 0 0 1-1 1h-13a1 1 0 0 1-1-1v-7a1 1 0 0 1 1-1zM5.5 8.5h.01M8.5 8.5h.01M11.5 8.5h.01M14.5 8.5h.01M7 11.8h6" />,
);
export const WarningIcon = icon(
  <path d="M10 7.5v3.5M10 13.6v.01M8.7 3.9 2.9 14.2a1.5 1.5 0 0 0 1.3 2.3h11.6a1.5 1.5 0 0 0 1.3-2.3L11.3 3.9a1.5 1.5 0 0 0-2.6 0z" />,
);
export const WrapIcon = icon(<path d="M3.5 5h13M3.5 10h10.5a2.5 2.5 0 0 1 0 5H10m2-2-2 2 2 2M3.5 15h3" />);
export const DownloadIcon = icon(<path d="M10 3.5v9M6 9l4 4 4-4M4 16.5h12" />);
export const ImageIcon = icon(
  <path d="M5 3.5h10A1.5 1.5 0 0 1 16.5 5v10a1.5 1.5 0 0 1-1.5 1.5H5A1.5 1.5 0 0 1 3.5 15V5A1.5 1.5 0 0 1 5 3.5zM7.3 8.5a1.2 1.2 0 1 0 0-2.4 1.2 1.2 0 0 0 0 2.4zM16.5 12.5l-3.7-3.7-7.3 7.3" />,
);
export const SpeakerIcon = icon(
  <path d="M3.5 8v4h2.7l3.8 3V5L6.2 8zM12.8 7.8a3.2 3.2 0 0 1 0 4.4M14.9 5.7a6.1 6.1 0 0 1 0 8.6" />,
);
export const SilenceIcon = icon(<path d="M3.5 8v4h2.7l3.8 3V5L6.2 8zM13 8l4 4M17 8l-4 4" />);
export const UpIcon = icon(<path d="m5 12.5 5-5 5 5" />);
export const DownIcon = icon(<path d="m5 7.5 5 5 5-5" />);
export const BackIcon = icon(<path d="m12.5 5-5 5 5 5" />);
export const ChevronIcon = icon(<path d="m7.5 5 5 5-5 5" />);
export const BrandIcon = icon(
  <path d="M2.5 7.5c2.5 0 2.5 2.3 5 2.3s2.5-2.3 5-2.3 2.5 2.3 5 2.3M2.5 12.5c2.5 0 2.5 2.3 5 2.3s2.5-2.3 5-2.3 2.5 2.3 5 2.3" />,
);
export const FileIcon = icon(
  <path d="M11.5 3.5H6A1.5 1.5 0 0 0 4.5 5v10A1.5 1.5 0 0 0 6 16.5h8a1.5 1.5 0 0 0 1.5-1.5V7.5zM11.5 3.5v4h4" />,
);
export const PaperclipIcon = icon(
  <path d="m15.5 9.5-5.6 5.6a3.3 3.3 0 0 1-4.7-4.7l6.2-6.2a2.2 2.2 0 0 1 3.1 3.1l-6.1 6.1a1.1 1.1 0 0 1-1.6-1.6l5.2-5.1" />,
);
export const ColumnsIcon = icon(
  <path d="M4.5 3.5h11a1 1 0 0 1 1 1v11a1 1 0 0 1-1 1h-11a1 1 0 0 1-1-1v-11a1 1 0 0 1 1-1zM10 3.5v13" />,
);
export const CodeIcon = icon(<path d="m7 6-4 4 4 4M13 6l4 4-4 4" />);

/** `headrace/styles.css` is imported for its effect alone. */
export {};

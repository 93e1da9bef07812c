/** What a connection to a worker begins with to be a link; HTTP/2 begins with "PRI". */
export const LINK_GREETING = Buffer.from("tandem-link 1\n");

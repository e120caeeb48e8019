<?php
// Runs PHP inside the WordPress of a folder, as one of its own pages would, but sends no mail and no request.
//
//   php scripts/wordpress/run.php FOLDER FILE [ARGUMENT…]      FILE may be - for code on standard input
//
// The code finds its arguments in $arguments. With INSTALL_AT=URL set, WordPress is loaded as its installer loads it.

[$folder, $file, $arguments] = [$argv[1], $argv[2], array_slice($argv, 3)];
ini_set('memory_limit', '512M');

$url = getenv('INSTALL_AT');
if ($url !== false) {
    define('WP_INSTALLING', true);
    define('WP_SITEURL', $url);
}
$_SERVER['HTTP_HOST'] = parse_url((string) $url, PHP_URL_HOST) ?: 'localhost';
$_SERVER['REQUEST_METHOD'] = 'GET';
$_SERVER['REQUEST_URI'] = '/';
define('DISABLE_WP_CRON', true);
define('WP_DISABLE_FATAL_ERROR_HANDLER', true); // else a failure is told as a page of HTML
function wp_mail() { return true; }
$wp_filter['pre_http_request'][10][] = [
    'function' => fn() => new WP_Error('offline', 'This WordPress sends no requests.'),
    'accepted_args' => 0,
];

require "$folder/wp-load.php";
foreach (['upgrade', 'image', 'file', 'media'] as $part) {
    require_once ABSPATH . "wp-admin/includes/$part.php";
}
error_reporting(E_ALL & ~E_DEPRECATED);
ini_set('display_errors', '0');
ini_set('log_errors', '1'); // to stderr
if ($file === '-') {
    eval(stream_get_contents(STDIN));
} else {
    require $file;
}

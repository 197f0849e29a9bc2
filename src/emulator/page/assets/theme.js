// Applies the theme before the first paint. It is a classic script, since modules run later.
document.documentElement.dataset.theme = localStorage.getItem('theme') ?? 'system';
